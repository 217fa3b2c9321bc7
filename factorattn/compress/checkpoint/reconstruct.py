"""A factored checkpoint made dense again: names, shapes, dtypes and metadata of the original."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from factorattn.compress.checkpoint.description import KEY, Matrix, array_name, assemble, factored_matrices, paths_in
from factorattn.compress.checkpoint.entry import Entry
from factorattn.compress.checkpoint.reading import Checkpoint, open_checkpoint
from factorattn.compress.checkpoint.tensors import CheckpointError, bits, count, encode
from factorattn.compress.checkpoint.writing import refuse_part, whole_checkpoint

__all__ = ["Reconstruction", "reconstruct_checkpoint"]


class Reconstruction(NamedTuple):
    """What was done: matrices restored, all tensors written, bytes of the file."""

    matrices: list[Matrix]
    tensors: int
    nbytes: int


def reconstruct_checkpoint(
    source: str | Path, target: str | Path, *, progress: Callable[[int, int, str], None] = lambda *_: None
) -> Reconstruction:
    """Restore the dense matrices of a factored checkpoint.

    Parameters
    ----------
    source : path
        What `factorize_checkpoint` wrote.
    target : path
        A ``.safetensors`` or ``.npz`` file, or a new folder, ending in "/", for shards. It takes its place when it is
        whole.
    progress : callable
        Told (done, all, what comes next).

    Returns
    -------
    reconstruction : Reconstruction

    Raises
    ------
    CheckpointError
        If the source is damaged or not factored, or the target cannot be written.

    Notes
    -----
    A restored matrix is the product of the stored factors, computed in float32 (float64 for float64), rounded once to
    the dtype that the matrix had. All other tensors are copied byte for byte.
    """
    with whole_checkpoint(str(target)) as destination:
        with open_checkpoint(Path(source)) as checkpoint:
            refuse_part(checkpoint, target)
            matrices = factored_matrices(checkpoint)
            entries = _restored(checkpoint, matrices)
            done = 0

            def step(name: str) -> None:
                nonlocal done
                progress(done, len(entries), name)
                done += 1

            metadata = {
                file: {key: text for key, text in about.items() if key != KEY}
                for file, about in checkpoint.metadata.items()
            }
            destination.write(entries, metadata, checkpoint.index, step)
        return Reconstruction(list(matrices.values()), len(entries), destination.nbytes)


def _restored(checkpoint: Checkpoint, matrices: dict[str, Matrix]) -> list[Entry]:
    """The tensors of the original; a matrix stands where the first array of its factors stood."""
    owner = {array_name(m.name, path): (m, path) for m in matrices.values() for path in paths_in(m.spec)}
    for name, (matrix, _) in owner.items():
        if name not in checkpoint.tensors:
            raise CheckpointError(f"{checkpoint.path.name} lacks {name!r}, a factor of {matrix.name!r}")
    parts: dict[str, dict[str, Entry]] = {name: {} for name in matrices}
    for name, (matrix, path) in owner.items():
        parts[matrix.name][path] = checkpoint.tensors[name]
    out: dict[str, Entry] = {}
    for name, entry in checkpoint.tensors.items():
        if name not in owner:
            if name in matrices:
                raise CheckpointError(f"{checkpoint.path.name} holds {name!r} both dense and as factors")
            out[name] = entry
        elif owner[name][0].name not in out:
            matrix = owner[name][0]
            out[matrix.name] = _dense(matrix, parts[matrix.name], entry.shard)
    for name in matrices:
        if name not in out:
            raise CheckpointError(f"the description of {name!r} in {checkpoint.path.name} names no array")
    return list(out.values())


def _dense(matrix: Matrix, arrays: dict[str, Entry], shard: str) -> Entry:
    def chunks() -> Iterator[memoryview]:
        with np.errstate(over="ignore", invalid="ignore"):
            x = assemble(matrix, arrays).to_dense()
        try:
            yield encode(x, matrix.dtype)
        except CheckpointError as error:
            raise CheckpointError(f"{matrix.name!r} cannot be restored: {error}") from None

    return Entry(matrix.name, matrix.dtype, matrix.shape, count(matrix.shape) * bits(matrix.dtype) // 8, chunks, shard)
