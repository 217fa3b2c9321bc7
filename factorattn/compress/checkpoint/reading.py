"""Checkpoints read a tensor at a time: one safetensors file, one npz archive, or shards and their index."""

import json
import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from factorattn.compress.checkpoint.entry import Entry, Slice
from factorattn.compress.checkpoint.npz import read_npz
from factorattn.compress.checkpoint.tensors import CheckpointError

__all__ = ["INDEX", "SUFFIXES", "Checkpoint", "open_checkpoint"]

SUFFIXES = (".safetensors", ".npz")
INDEX = "model.safetensors.index.json"


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
        read = _safetensors if path.suffix == ".safetensors" else read_npz
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
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path.name} is damaged or no .safetensors file: {error}") from None
    metadata = header.pop("__metadata__", None) or {}
    tensors = {}
    for name, about in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        begin, end = about["data_offsets"]
        chunks = Slice(file, 8 + length + begin, end - begin, f"{name!r} in {path.name}")
        tensors[name] = Entry(name, about["dtype"], tuple(about["shape"]), end - begin, chunks, path.name)
    return tensors, metadata
