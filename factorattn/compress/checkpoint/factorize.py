"""A checkpoint made smaller: its matrices replaced by factors, a tensor at a time.

    W (p, q)  ->  factors of rank r,    r (p + q) numbers instead of p q where there are two

A first pass over the matrices takes singular values, where a rank or a picture needs them; a second one factors and
measures each matrix and puts the factors away on disk; then all is written in one go, since the header comes first.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from factorattn.compress.checkpoint.choice import Choice, matrices_in, ranks
from factorattn.compress.checkpoint.description import KEY, Matrix, array_name, assemble, describe
from factorattn.compress.checkpoint.entry import Entry
from factorattn.compress.checkpoint.methods import METHODS, singular_values
from factorattn.compress.checkpoint.norms import frobenius_norm, spectral_norm
from factorattn.compress.checkpoint.reading import Checkpoint, open_checkpoint
from factorattn.compress.checkpoint.report import Report, Row
from factorattn.compress.checkpoint.tensors import CheckpointError, decode, encode, tag_of
from factorattn.compress.checkpoint.writing import Destination, refuse_part, whole_checkpoint
from factorattn.factor.door import finite
from factorattn.factor.factored.packing import pack

__all__ = ["NothingFactored", "factorize_by", "factorize_checkpoint"]

WORTH_THREADS = 2**33  # shorter side squared, times the longer one: below, one thread takes seconds
Progress = Callable[[int, int, str], None]


class NothingFactored(CheckpointError):
    """Factoring would have saved nothing; `report` says of each matrix why."""

    def __init__(self, report: Report) -> None:
        super().__init__("at the ranks asked for, factors would hold as many numbers as the matrices, or more")
        self.report = report


def factorize_checkpoint(
    source: str | Path,
    target: str | Path,
    *,
    method: str = "svd",
    rank: int | None = None,
    energy: float | None = None,
    error: float | None = None,
    budget: float | None = None,
    include: Sequence[str] = ("*",),
    exclude: Sequence[str] = (),
    dtype: str | None = None,
    force: bool = False,
    spectra: bool = False,
    seed: int = 0,
    progress: Progress = lambda *_: None,
) -> Report:
    """Replace matrices of a checkpoint by factors.

    Parameters
    ----------
    source : path
        A ``.safetensors`` or ``.npz`` file, an index of shards, or a folder with one of these.
    target : path
        A ``.safetensors`` or ``.npz`` file, or a new folder, ending in "/", for shards. It takes its place when it is
        whole; it may be the source.
    method : str
        One of `METHODS`.
    rank, energy, error, budget : optional
        Exactly one: the rank of each matrix (at most its shorter side); the share of |W|_F^2 that is kept; the
        relative error |W - F|_F / |W|_F that is allowed; the share of parameters that all matrices keep together. The
        last three choose ranks by singular values, as the truncated decomposition needs them.
    include, exclude : sequence of str
        Patterns of names, as of files: "*" and "?". Each of `include` must match a matrix.
    dtype : str, optional
        Of the factors: "float16", "bfloat16", "float32" or "float64". That of the matrix if None.
    force : bool
        Whether to factor where this saves no parameters, too.
    spectra : bool
        Whether to take singular values though no rank depends on them.
    seed : int
        For methods that draw.
    progress : callable
        Told (done, all, what comes next).

    Returns
    -------
    report : Report

    Raises
    ------
    CheckpointError
        If the source is damaged, a matrix is not finite, nothing matches or the target cannot be written.
    NothingFactored
        If no matrix would become smaller.
    """
    choice = Choice(method, rank, energy, error, budget, tuple(include), tuple(exclude), dtype, force, spectra, seed)
    return factorize_by(choice, source, target, progress)


def factorize_by(
    choice: Choice, source: str | Path, target: str | Path, progress: Progress = lambda *_: None
) -> Report:
    """The same with options that are checked already."""
    import scipy.linalg
    import scipy.sparse.linalg  # noqa: F401  (before anything is begun: an interrupted import ends Python its own way)

    with whole_checkpoint(str(target)) as destination, open_checkpoint(Path(source)) as checkpoint:
        refuse_part(checkpoint, target)
        return _factorize(checkpoint, destination, choice, progress)


def _factorize(checkpoint: Checkpoint, destination: Destination, choice: Choice, progress: Progress) -> Report:
    if any(KEY in about for about in checkpoint.metadata.values()):
        raise CheckpointError(f"{checkpoint.path.name} is factored already; reconstruct it first")
    matrices = matrices_in(checkpoint, choice)
    total = len(matrices) * (2 if choice.needs_spectra else 1) + len(checkpoint.tensors)
    done = 0

    def step(text: str) -> None:
        nonlocal done
        progress(done, total, text)
        done += 1

    spectra: dict[str, np.ndarray] = {}
    if choice.needs_spectra:
        for name, entry in matrices.items():
            step(f"singular values of {name}")
            with _threads(entry):
                spectra[name] = singular_values(_matrix(entry))
    wanted = ranks(matrices, spectra, choice)
    rows: list[Row] = []
    pieces: dict[str, list[Entry]] = {name: [entry] for name, entry in checkpoint.tensors.items()}
    specs: dict[str, Matrix] = {}
    for name, entry in matrices.items():
        step(f"{choice.method} of {name}")
        with _threads(entry):
            factored = _factor(entry, wanted[name], spectra.get(name), destination, choice)
        if factored is None:
            rows.append(Row.left_dense(entry, wanted[name], spectra.get(name), choice))
            continue
        specs[name], pieces[name], row = factored
        rows.append(row)
    report = Report.of(checkpoint, choice, rows)
    if not specs:
        raise NothingFactored(report)
    entries = [piece for parts in pieces.values() for piece in parts]
    _distinct(entries)
    metadata = _metadata(checkpoint, specs, choice, apart=destination.in_shards)
    destination.write(entries, metadata, checkpoint.index, lambda name: step(f"writing {name}"))
    return report.written(destination.nbytes)


def _factor(
    entry: Entry, rank: int | None, values: np.ndarray | None, destination: Destination, choice: Choice
) -> tuple[Matrix, list[Entry], Row] | None:
    """Factor a matrix, put its factors away as they will be stored, and measure those; None where it does not pay."""
    p, q = entry.shape
    method, limit = METHODS[choice.method], math.inf if choice.force else p * q
    if rank is None or (method.parameters(rank, p, q) or 0) >= limit:
        return None
    a = _matrix(entry)
    try:
        f = method.factor(a, rank, choice.seed)
    except ValueError as error:
        raise CheckpointError(f"{entry.name!r} cannot be factored by {choice.method}: {error}; exclude it") from None
    if f.parameters >= limit:
        return None
    tag = choice.tag or entry.dtype
    spec, arrays = pack(f, bound=False)
    parts: dict[str, Entry] = {}
    for path, x in arrays.items():
        name, dtype = array_name(entry.name, path), tag if x.dtype.kind == "f" else tag_of(x.dtype)
        try:
            data = encode(np.asarray(x), dtype)
        except CheckpointError as error:
            raise CheckpointError(f"factors of {entry.name!r} cannot be stored: {error}; give --dtype") from None
        parts[path] = destination.spool.keep(name, dtype, tuple(x.shape), data, entry.shard)
    matrix = Matrix(entry.name, entry.dtype, (p, q), spec)
    del arrays
    f = assemble(matrix, parts)
    found = f.to_dense()
    try:
        encode(found, entry.dtype)
    except CheckpointError as error:
        raise CheckpointError(f"{entry.name!r} could not be restored: {error}; a higher rank may do") from None
    rest = np.subtract(a, found, out=found)
    size, largest = frobenius_norm(a), float(values[0]) if values is not None else spectral_norm(a, rng=choice.seed)
    frobenius = frobenius_norm(rest) / size if size else 0.0
    spectral = spectral_norm(rest, rng=choice.seed) / largest if largest else 0.0
    row = Row.factored(entry, rank, f, parts, frobenius, spectral, values, choice)
    return matrix, list(parts.values()), row


def _matrix(entry: Entry) -> np.ndarray:
    a = decode(entry.read(), entry.dtype, entry.shape)
    try:
        finite(repr(entry.name), a, xp=np)
    except ValueError as error:
        raise CheckpointError(str(error)) from None
    return a


def _threads(entry: Entry) -> AbstractContextManager[Any]:
    """One thread for all but large matrices: where processors are busy, threads of BLAS wait for each other."""
    short, long = sorted(entry.shape)
    return threadpool_limits(1) if short**2 * long < WORTH_THREADS else nullcontext()


def _distinct(entries: Sequence[Entry]) -> None:
    seen: set[str] = set()
    for entry in entries:
        if entry.name in seen:
            raise CheckpointError(f"a factor would take the name {entry.name!r}, which another tensor has")
        seen.add(entry.name)


def _metadata(
    checkpoint: Checkpoint, specs: dict[str, Matrix], choice: Choice, *, apart: bool
) -> dict[str, dict[str, str]]:
    """That of the source, and what it takes to restore the matrices: those of each shard apart, or all of them."""
    if not apart:
        return {**checkpoint.metadata, "": {KEY: describe(list(specs.values()), choice.told())}}
    out = {file: dict(metadata) for file, metadata in checkpoint.metadata.items()}
    for file, metadata in out.items():
        here = [matrix for name, matrix in specs.items() if checkpoint.tensors[name].shard == file]
        if here:
            metadata[KEY] = describe(here, choice.told())
    return out
