"""A tensor of a checkpoint that is not read yet."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import prod
from typing import Any, BinaryIO

from factorattn.compress.checkpoint.tensors import CheckpointError

__all__ = ["CHUNK", "Entry", "Slice"]

CHUNK = 2**22  # bytes that are read or written at a time


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
