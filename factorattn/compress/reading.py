"""Checkpoints read a tensor at a time: one safetensors file, one npz archive, or shards and their index."""

import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from factorattn.compress.tensors import CheckpointError, tag_of

__all__ = ["INDEX", "METADATA", "SUFFIXES", "Checkpoint", "Entry", "Slice", "open_checkpoint"]

SUFFIXES = (".safetensors", ".npz")
INDEX = "model.safetensors.index.json"
METADATA = "__factorattn__"  # the array of an npz archive that holds what safetensors keeps as metadata
CHUNK = 2**22
_DAMAGE = (OSError, EOFError, ValueError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True)
class Entry:
    """A tensor of a checkpoint that is not read yet.

    Parameters
    ----------
    name : str
    dtype : str
        As safetensors writes it; as NumPy does, where safetensors has no such dtype.
    shape : tuple of int
    nbytes : int
    chunks : callable
        Reads it: gives its bytes one piece after the other, numbers little-endian and rows first.
    shard : str
        Name of the file that it is in.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    nbytes: int
    chunks: Callable[[], Iterator[Any]] = field(repr=False)
    shard: str = "model.safetensors"

    @property
    def size(self) -> int:
        """How many numbers it has."""
        return prod(self.shape)

    def read(self) -> bytearray:
        """All its bytes."""
        data, at = bytearray(self.nbytes), 0
        for chunk in self.chunks():
            data[at : at + len(chunk)] = chunk
            at += len(chunk)
        return data


@dataclass(frozen=True)
class Checkpoint:
    """Tensors by name, and the metadata of each file.

    Parameters
    ----------
    path : Path
        The file, or the index of the shards.
    files : tuple of Path
        All files that it is made of.
    tensors : dict of str to Entry
    metadata : dict of str to dict of str to str
        By the name of the file.
    index : dict
        What the index of shards says of the whole.
    """

    path: Path
    files: tuple[Path, ...]
    tensors: dict[str, Entry]
    metadata: dict[str, dict[str, str]]
    index: dict[str, Any] = field(default_factory=dict)


@contextmanager
def open_checkpoint(path: Path) -> Iterator[Checkpoint]:
    """Open a checkpoint; its tensors can be read as long as it is open.

    Parameters
    ----------
    path : Path
        A ``.safetensors`` or ``.npz`` file; the index of shards, a ``.safetensors.index.json`` file; or a folder with
        one such index, or with one ``.safetensors`` file.

    Raises
    ------
    CheckpointError
        If it is none of these, or is damaged.
    """
    path = _file(Path(path))
    with ExitStack() as stack:
        if path.name.endswith(".index.json"):
            yield _shards(path, stack)
            return
        read = _safetensors if path.suffix == ".safetensors" else _npz
        tensors, metadata = read(path, stack)
        yield Checkpoint(path, (path,), tensors, {path.name: metadata})


def _file(path: Path) -> Path:
    if path.is_dir():
        found = sorted(path.glob("*.safetensors.index.json")) or sorted(path.glob("*.safetensors"))
        if len(found) != 1:
            told = f"{len(found)} of them: {', '.join(x.name for x in found)}" if found else "neither"
            raise CheckpointError(f"folder {str(path)!r} must hold one {INDEX} or one .safetensors file; it has {told}")
        return found[0]
    if path.suffix not in SUFFIXES and not path.name.endswith(".safetensors.index.json"):
        kinds = f"{', '.join(SUFFIXES)} or {INDEX}"
        raise CheckpointError(f"a checkpoint must be a {kinds} file, or a folder with one, got {path.name!r}")
    if not path.is_file():
        raise CheckpointError(f"{str(path)!r} {'is not a file' if path.exists() else 'does not exist'}")
    return path


def _shards(path: Path, stack: ExitStack) -> Checkpoint:
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
        place = dict(index["weight_map"])
        about = dict(index.get("metadata") or {})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path.name} is damaged or no index of shards: {error!r}") from None
    tensors: dict[str, Entry] = {}
    metadata: dict[str, dict[str, str]] = {}
    names = sorted({str(name) for name in place.values()})
    for name in names:
        if Path(name).name != name or not name.endswith(".safetensors"):
            raise CheckpointError(f"{path.name} must name .safetensors files beside it, got {name!r}")
        if not (path.parent / name).is_file():
            raise CheckpointError(f"{path.name} names {name!r}, which is not there")
        found, metadata[name] = _safetensors(path.parent / name, stack)
        told = {tensor for tensor, shard in place.items() if shard == name}
        for tensor in sorted(told ^ set(found)):
            raise CheckpointError(
                f"{path.name} names {tensor!r} in {name}, which lacks it"
                if tensor in told
                else f"{name} holds {tensor!r}, which {path.name} does not name there"
            )
        tensors |= found
    in_order = {name: tensors[name] for name in place}
    return Checkpoint(path, (path, *(path.parent / name for name in names)), in_order, metadata, about)


def _safetensors(path: Path, stack: ExitStack) -> tuple[dict[str, Entry], dict[str, str]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy"):  # holds the header against the format and the length of the file
            pass
        file = stack.enter_context(path.open("rb"))
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    except (SafetensorError, *_DAMAGE) as error:
        raise CheckpointError(f"{path.name} is damaged or no .safetensors file: {error}") from None
    metadata = header.pop("__metadata__", None) or {}
    tensors = {}
    for name, about in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        begin, end = about["data_offsets"]
        chunks = Slice(file, 8 + length + begin, end - begin, f"{name!r} in {path.name}")
        tensors[name] = Entry(name, about["dtype"], tuple(about["shape"]), end - begin, chunks, path.name)
    return tensors, metadata


@dataclass(frozen=True)
class Slice:
    """Bytes of a file, read when called."""

    file: BinaryIO
    begin: int
    length: int
    told: str

    def __call__(self) -> Iterator[bytes]:
        left = self.length
        while left:
            try:
                self.file.seek(self.begin + self.length - left)
                chunk = self.file.read(min(CHUNK, left))
            except OSError as error:
                raise CheckpointError(f"{self.told} cannot be read: {error.strerror}") from None
            if not chunk:
                raise CheckpointError(f"{self.told} ends {left} bytes early")
            left -= len(chunk)
            yield chunk


def _npz(path: Path, stack: ExitStack) -> tuple[dict[str, Entry], dict[str, str]]:
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
