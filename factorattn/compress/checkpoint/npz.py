"""Archives of NumPy, read an array at a time."""

import json
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from factorattn.compress.checkpoint.entry import CHUNK, Entry
from factorattn.compress.checkpoint.tensors import CheckpointError, tag_of

__all__ = ["METADATA", "read_npz"]

METADATA = "__factorattn__"  # the array that holds what safetensors keeps as metadata
_DAMAGE = (OSError, EOFError, ValueError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error)


def read_npz(path: Path, stack: ExitStack) -> tuple[dict[str, Entry], dict[str, str]]:
    """The arrays of an archive, which stays open as long as the stack; and its metadata."""
    try:
        archive = stack.enter_context(zipfile.ZipFile(stack.enter_context(path.open("rb"))))
    except _DAMAGE as error:
        raise CheckpointError(f"{path.name} is damaged or no .npz file: {error}") from None
    tensors: dict[str, Entry] = {}
    for info in archive.infolist():
        name = info.filename.removesuffix(".npy")
        if name == info.filename or name in tensors:
            raise CheckpointError(
                f"{path.name} holds {info.filename!r}, {'a second time' if name in tensors else 'which is no array'}"
            )
        member = _Member(archive, info, f"{name!r} in {path.name}")
        shape, _, dtype = member.header()
        tensors[name] = Entry(name, tag_of(dtype), shape, prod(shape) * dtype.itemsize, member, path.name)
    kept = tensors.pop(METADATA, None)
    if kept is None:
        return tensors, {}
    try:
        found = json.loads(str(np.frombuffer(kept.read(), kept.dtype).reshape(kept.shape)))
        if not (isinstance(found, dict) and all(isinstance(value, str) for value in found.values())):
            raise ValueError("it must be a dictionary of strings")
    except ValueError as error:
        raise CheckpointError(f"{METADATA} in {path.name} is damaged: {error}") from None
    return tensors, found


@dataclass(frozen=True)
class _Member:
    """An array of an npz archive, read when called; objects, which could run code, are refused."""

    archive: zipfile.ZipFile
    info: zipfile.ZipInfo
    told: str

    def header(self, file: Any = None) -> tuple[tuple[int, ...], bool, np.dtype]:
        """Shape, whether columns come first, and dtype."""
        if file is None:
            with self.archive.open(self.info) as file:
                return self.header(file)
        try:
            version = np.lib.format.read_magic(file)
            read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
            shape, columns_first, dtype = read[version](file)
        except (KeyError, *_DAMAGE) as error:
            raise CheckpointError(f"{self.told} is damaged or no array: {error}") from None
        if dtype.hasobject:
            raise CheckpointError(f"{self.told} holds pickled objects, refused since they can run code; save arrays")
        if dtype.fields is not None:
            raise CheckpointError(f"{self.told} has dtype {dtype}; arrays of records are not supported")
        return shape, columns_first, dtype

    def __call__(self) -> Iterator[bytes]:
        try:
            with self.archive.open(self.info) as file:
                shape, columns_first, dtype = self.header(file)
                left = prod(shape) * dtype.itemsize
                turned = (columns_first and len(shape) > 1) or dtype.newbyteorder("<") != dtype
                held = []
                while left and (chunk := file.read(min(CHUNK, left))):
                    left -= len(chunk)
                    if turned:
                        held.append(chunk)
                    else:
                        yield chunk
                if left or file.read(1):  # reading past the end also checks the sum of all bytes
                    raise CheckpointError(
                        f"{self.told} ends {left} bytes early" if left else f"{self.told} is too long"
                    )
                if turned:
                    x = np.frombuffer(b"".join(held), dtype)
                    x = x.reshape(shape[::-1]).T if columns_first else x.reshape(shape)
                    yield x.astype(dtype.newbyteorder("<")).tobytes(order="C")
        except CheckpointError:
            raise
        except _DAMAGE as error:
            raise CheckpointError(f"{self.told} is damaged: {error}") from None
