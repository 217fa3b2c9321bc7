"""Checkpoints written a tensor at a time, into a place beside the target, which they take over when they are whole."""

import json
import os
import shutil
import struct
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from factorattn.compress.checkpoint.entry import Entry, Slice
from factorattn.compress.checkpoint.npz import METADATA
from factorattn.compress.checkpoint.reading import INDEX, SUFFIXES, Checkpoint
from factorattn.compress.checkpoint.tensors import NUMPY, CheckpointError, bits

__all__ = ["Destination", "Spool", "TargetError", "refuse_part", "whole_checkpoint"]

LONGEST_HEADER = 100_000_000  # bytes, a limit of the format


class TargetError(CheckpointError):
    """The fault is with the place to write to."""


class Spool:
    """Bytes kept on disk, beside the target, until the header of the file that will hold them can be written."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file

    def keep(self, name: str, dtype: str, shape: tuple[int, ...], data: memoryview, shard: str) -> Entry:
        """Put a tensor's bytes away."""
        begin = self.file.seek(0, os.SEEK_END)
        self.file.write(data)

        return Entry(name, dtype, shape, len(data), Slice(self.file, begin, len(data), name), shard)


class Destination:
    """Where a checkpoint goes."""

    def __init__(self, place: Path, spool: Spool, write: Callable[..., int]) -> None:
        self.place, self.spool, self._write, self.nbytes = place, spool, write, 0
        self.in_shards = write is _write_shards

    def write(
        self,
        entries: Sequence[Entry],
        metadata: Mapping[str, Mapping[str, str]],
        index: Mapping[str, Any],
        step: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Write all tensors.

        Parameters
        ----------
        entries : sequence of Entry
        metadata : mapping of str to mapping of str to str
            By the name of the shard; one file takes all of them.
        index : mapping
            What the index of shards says of the whole, beside its size.
        step : callable
            Told the name of each tensor before it is written.
        """
        self.nbytes = self._write(self.place, entries, metadata, index, step)


@contextmanager
def whole_checkpoint(target: str) -> Iterator[Destination]:
    """A checkpoint that takes its place if the ``with`` block ends well, and leaves no trace if it does not.

    Parameters
    ----------
    target : str
        A ``.safetensors`` or ``.npz`` file, which is replaced; or, ending in "/", a folder that is not there yet or is
        empty, for shards and their index.

    Raises
    ------
    TargetError
        At once, if the target cannot be written; later, if there is no room for it.
    """
    path = Path(target)
    if path.name in ("", ".."):
        raise TargetError(f"{target!r} is no name of a file or of a new folder")
    folder = target.endswith(("/", os.sep)) or path.is_dir()
    write = _kind(target, path, folder)
    place = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        try:
            if path.exists() and not os.access(path, os.W_OK):
                raise PermissionError("it may not be written")
            place.mkdir() if folder else place.open("wb").close()
            if path.exists():
                place.chmod(path.stat().st_mode & 0o7777)  # who may read it does not change
            with tempfile.TemporaryFile(dir=path.parent) as spool:
                destination = Destination(place, Spool(spool), write)
                yield destination
            if folder and path.is_dir():
                path.rmdir()  # it is empty
            os.replace(place, path)
        except OSError as error:
            raise TargetError(f"{target!r} cannot be written: {error.strerror or error}") from None
    except BaseException:
        shutil.rmtree(place) if place.is_dir() else place.unlink(missing_ok=True)
        raise


def refuse_part(checkpoint: Checkpoint, target: str | Path) -> None:
    """TargetError if the target is one file of several that are read: what is left of them would be of no use."""
    path = Path(target)
    if len(checkpoint.files) > 1 and path.exists() and any(path.samefile(file) for file in checkpoint.files):
        raise TargetError(f"{str(target)!r} is a part of the checkpoint that is read; give another name")


def _kind(target: str, path: Path, folder: bool) -> Callable[..., int]:
    if folder:
        if path.exists() and not path.is_dir():
            raise TargetError(f"{target!r} is a file; a folder must be new or empty")
        if path.is_dir() and any(path.iterdir()):
            raise TargetError(f"folder {target!r} is not empty; give a new one, or the name of a file")
        return _write_shards
    if path.suffix not in SUFFIXES:
        raise TargetError(f"{target!r} must end in {' or '.join(SUFFIXES)}, or in / for a folder of shards")
    if path.exists() and not path.is_file():
        raise TargetError(f"{target!r} is no regular file")
    return _write_safetensors if path.suffix == ".safetensors" else _write_npz


def _write_safetensors(place, entries, metadata, index, step) -> int:
    """Length of the header, the header, and the numbers, those of the longest dtypes first: so that all are aligned."""
    header: dict[str, Any] = {}
    about = _merged(metadata)
    if about:
        header["__metadata__"] = about
    in_order = sorted(entries, key=lambda entry: -bits(entry.dtype))
    at = 0
    for entry in in_order:
        if entry.dtype.startswith(("<", "|", ">")):
            raise CheckpointError(
                f"{entry.name!r} has dtype {np.dtype(entry.dtype)}, which .safetensors lacks; write .npz"
            )
        header[entry.name] = {"dtype": entry.dtype, "shape": list(entry.shape), "data_offsets": [at, at + entry.nbytes]}
        at += entry.nbytes
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > LONGEST_HEADER:
        raise CheckpointError(f"the header would take {len(text)} bytes; .safetensors allows {LONGEST_HEADER}")
    with place.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for entry in in_order:
            step(entry.name)
            _copy(entry, file)
        _to_disk(file)
    return 8 + len(text) + at


def _write_npz(place, entries, metadata, index, step) -> int:
    about = _merged(metadata)
    with place.open("wb") as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
            for entry in entries:
                step(entry.name)
                if entry.dtype not in NUMPY and not entry.dtype.startswith(("<", "|")):
                    raise CheckpointError(
                        f"{entry.name!r} has dtype {entry.dtype}, which NumPy lacks; write .safetensors"
                    )
                if entry.name == METADATA:
                    raise CheckpointError(f"{entry.name!r} is the name of the metadata in .npz; write .safetensors")
                with archive.open(zipfile.ZipInfo(f"{entry.name}.npy"), "w", force_zip64=True) as member:
                    head = {"descr": NUMPY.get(entry.dtype, entry.dtype), "fortran_order": False, "shape": entry.shape}
                    np.lib.format.write_array_header_1_0(member, head)
                    _copy(entry, member)
            if about:
                with archive.open(zipfile.ZipInfo(f"{METADATA}.npy"), "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, np.array(json.dumps(about)))
        _to_disk(file)
    return place.stat().st_size


def _write_shards(place, entries, metadata, index, step) -> int:
    total = 0
    for shard in dict.fromkeys(entry.shard for entry in entries):
        here = [entry for entry in entries if entry.shard == shard]
        total += _write_safetensors(place / shard, here, {shard: metadata.get(shard, {})}, {}, step)
    about = {**index, "total_size": sum(entry.nbytes for entry in entries)}
    text = json.dumps({"metadata": about, "weight_map": {entry.name: entry.shard for entry in entries}}, indent=2)
    with (place / INDEX).open("wb") as file:
        file.write(text.encode())
        _to_disk(file)
    return total + len(text)


def _merged(metadata: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """The metadata of several shards as that of one file."""
    out: dict[str, str] = {}
    for shard, about in metadata.items():
        for key, value in about.items():
            if out.setdefault(key, value) != value:
                raise CheckpointError(f"{shard} has other metadata under {key!r} than shards before; write a folder/")
    return out


def _copy(entry: Entry, file: Any) -> None:
    written = 0
    for chunk in entry.chunks():
        file.write(chunk)
        written += len(chunk)
    if written != entry.nbytes:
        raise CheckpointError(f"{entry.name!r} has {written} bytes, expected {entry.nbytes}")


def _to_disk(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
