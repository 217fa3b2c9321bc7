"""What factoring did to a checkpoint: a row for each matrix, and totals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from factorattn.compress.checkpoint.choice import Choice
from factorattn.compress.checkpoint.entry import Entry
from factorattn.compress.checkpoint.methods import METHODS
from factorattn.compress.checkpoint.reading import Checkpoint
from factorattn.factor.factored import Factored

__all__ = ["Report", "Row", "Sizes"]


@dataclass(frozen=True)
class Sizes:
    """Numbers kept, operations of one product with a vector, and bytes."""

    parameters: int
    flops: int
    nbytes: int

    def __add__(self, other: "Sizes") -> "Sizes":
        return Sizes(self.parameters + other.parameters, self.flops + other.flops, self.nbytes + other.nbytes)


@dataclass(frozen=True)
class Row:
    """A matrix before and after.

    Parameters
    ----------
    name, shape, dtype
        Of the matrix.
    wanted : int or None
        The rank that was asked for; None if a budget left the matrix dense.
    rank : int or None
        The rank of its factors; None if it was left dense.
    before, after : Sizes
    frobenius, spectral : float
        Of the matrix minus its factors as they are stored, relative to the matrix.
    values : array or None
        Singular values of the matrix.
    thin : bool
        Whether two factors, (p, r) and (r, q), make it.
    """

    name: str
    shape: tuple[int, int]
    dtype: str
    wanted: int | None
    rank: int | None
    before: Sizes
    after: Sizes
    frobenius: float
    spectral: float
    values: np.ndarray | None
    thin: bool

    @property
    def energy(self) -> float:
        """The share of |W|_F^2 that is not in the error."""
        return 1.0 - self.frobenius**2

    @property
    def break_even(self) -> float | None:
        """The rank p q / (p + q): two factors of this rank hold as many numbers as the matrix."""
        p, q = self.shape
        return p * q / (p + q) if self.thin else None

    @classmethod
    def left_dense(cls, entry: Entry, wanted: int | None, values: np.ndarray | None, choice: Choice) -> "Row":
        """A matrix whose factors would hold no fewer numbers."""
        size, thin = _dense(entry), METHODS[choice.method].thin
        return cls(entry.name, _pair(entry), entry.dtype, wanted, None, size, size, 0.0, 0.0, values, thin)

    @classmethod
    def factored(
        cls,
        entry: Entry,
        rank: int,
        f: Factored,
        parts: Mapping[str, Entry],
        frobenius: float,
        spectral: float,
        values: np.ndarray | None,
        choice: Choice,
    ) -> "Row":
        """A matrix replaced by factors `f`, stored as `parts`."""
        after = Sizes(f.parameters, f.flops, sum(part.nbytes for part in parts.values()))
        before, thin = _dense(entry), METHODS[choice.method].thin
        return cls(entry.name, _pair(entry), entry.dtype, rank, rank, before, after, frobenius, spectral, values, thin)


@dataclass(frozen=True)
class Report:
    """All rows, and the whole file.

    Parameters
    ----------
    source : str
        The name of the file that was read, or of the index of its shards.
    choice : Choice
    rows : tuple of Row
    tensors : int
        Tensors of the file, matched or not.
    before, after : int
        All numbers of the file.
    bytes_before, bytes_after : int
        Of the file; after is 0 as long as none is written.
    """

    source: str
    choice: Choice
    rows: tuple[Row, ...]
    tensors: int
    before: int
    after: int
    bytes_before: int
    bytes_after: int = 0

    @classmethod
    def of(cls, checkpoint: Checkpoint, choice: Choice, rows: Sequence[Row]) -> "Report":
        """Before anything is written."""
        before = sum(entry.size for entry in checkpoint.tensors.values())
        saved = sum(row.before.parameters - row.after.parameters for row in rows)
        size = sum(file.stat().st_size for file in checkpoint.files)
        name, rows = checkpoint.path.name, tuple(rows)
        return cls(name, choice, rows, len(checkpoint.tensors), before, before - saved, size)

    def written(self, nbytes: int) -> "Report":
        """The same of a file that was written."""
        return replace(self, bytes_after=nbytes)

    @property
    def factored(self) -> tuple[Row, ...]:
        """Rows of matrices that were factored."""
        return tuple(row for row in self.rows if row.rank is not None)

    @property
    def totals(self) -> tuple[Sizes, Sizes]:
        """Of all matched matrices, before and after."""
        zero = Sizes(0, 0, 0)
        return sum((row.before for row in self.rows), zero), sum((row.after for row in self.rows), zero)

    def as_dict(self) -> dict[str, Any]:
        """All figures as plain data, singular values left out."""
        name, value = self.choice.target
        before, after = self.totals
        rows = [{**vars(row), "energy": row.energy, "break_even_rank": row.break_even} for row in self.rows]
        for row in rows:
            del row["values"], row["thin"]
            row["before"], row["after"] = vars(row["before"]), vars(row["after"])
        return {
            "source": self.source,
            "method": self.choice.method,
            name: value,
            "seed": self.choice.seed,
            "matrices": rows,
            "total": {"before": vars(before), "after": vars(after)},
            "file": {
                "tensors": self.tensors,
                "parameters": {"before": self.before, "after": self.after},
                "nbytes": {"before": self.bytes_before, "after": self.bytes_after},
            },
        }


def _pair(entry: Entry) -> tuple[int, int]:
    p, q = entry.shape
    return p, q


def _dense(entry: Entry) -> Sizes:
    return Sizes(entry.size, 2 * entry.size, entry.nbytes)
