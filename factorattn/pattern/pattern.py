"""A set of pairs (i, j), 0 <= i < n, 0 <= j < m: which query may attend to which key, without an n x m matrix.

    code(i, j) = i m + j,   a pattern = the runs of its codes

All pairs are one run, a causal or windowed pattern is n runs. Time and memory grow with the runs, of which there are
at most as many as pairs.
"""

import operator
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from factorattn.pattern.options import at_least
from factorattn.pattern.runs import combined, complement, joined, merged, part, spelled

__all__ = ["Pattern"]

PICTURE = 64  # rows and columns that fit a screen


@dataclass(frozen=True, eq=False, repr=False)
class Pattern:
    """A set of pairs; build one with a shape of `factorattn.pattern` or with ``from_pairs``, ``from_runs``,
    ``from_dense``.

    Operators are those of sets: ``|``, ``&``, ``-``, ``^``, ``~``, ``==``, ``<=`` (is a part of), ``(i, j) in p``,
    ``len(p)``, iteration over the pairs; and ``a @ b`` joins a step of a and a step of b.

    Attributes
    ----------
    n, m : int
        Numbers of queries and of keys.
    edges : array of int64
        Where runs of the codes i m + j begin and end, in turn.
    """

    n: int
    m: int
    edges: np.ndarray

    def __post_init__(self) -> None:
        at_least("n", self.n, 0)
        at_least("m", self.m, 0)
        self.edges.flags.writeable = False

    # In and out

    @staticmethod
    def from_runs(n: int, m: int, i: Any, first: Any, stop: Any) -> "Pattern":
        """The pairs (i, j) with ``first <= j < stop``, for arrays of rows i; runs are cut to 0 .. m - 1."""
        i, first, stop = np.broadcast_arrays(*(np.asarray(x, dtype=np.int64) for x in (i, first, stop)))
        if i.size and not (i.min() >= 0 and i.max() < n):
            raise ValueError(f"rows i must lie in 0 .. {n - 1}, got {i.min()} .. {i.max()}")
        first, stop = np.clip(first, 0, m), np.clip(stop, 0, m)
        return Pattern(n, m, merged(i * m + first, i * m + stop))

    @staticmethod
    def from_pairs(n: int, m: int, i: Any, j: Any) -> "Pattern":
        """The pairs (i, j) of two arrays of integers, which broadcast."""
        j = np.asarray(j, dtype=np.int64)
        if j.size and not (j.min() >= 0 and j.max() < m):
            raise ValueError(f"keys j must lie in 0 .. {m - 1}, got {j.min()} .. {j.max()}")
        return Pattern.from_runs(n, m, i, j, j + 1)

    @staticmethod
    def from_dense(seen: Any) -> "Pattern":
        """The pairs where a boolean matrix is true."""
        seen = np.asarray(seen)
        if seen.ndim != 2 or seen.dtype != bool:
            raise ValueError(f"seen must be a boolean matrix, got {seen.dtype} of shape {seen.shape}")
        n, m = seen.shape
        return Pattern(n, m, np.flatnonzero(np.diff(seen.ravel(), prepend=False, append=False)))

    def dense(self) -> np.ndarray:
        """A boolean matrix (n, m)."""
        lengths = np.diff(self.edges, prepend=0, append=self.n * self.m)
        return np.repeat(np.arange(lengths.size) % 2 == 1, lengths).reshape(self.n, self.m)

    def runs(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Three arrays i, first, stop: in row i the keys ``first <= j < stop``; sorted, and none touches another."""
        starts, stops = self.edges[::2], self.edges[1::2]
        top, rows = starts // max(self.m, 1), (stops - 1) // max(self.m, 1)
        i = spelled(top, rows + 1)
        run = np.repeat(np.arange(starts.size), rows + 1 - top)
        return i, np.maximum(starts[run] - i * self.m, 0), np.minimum(stops[run] - i * self.m, self.m)

    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Two arrays i and j, row by row."""
        codes = spelled(self.edges[::2], self.edges[1::2])
        return codes // max(self.m, 1), codes % max(self.m, 1)

    def rows(self) -> list[np.ndarray]:
        """For each row, its keys in order."""
        return np.split(self.pairs()[1], np.cumsum(self.counts())[:-1]) if self.n else []

    def counts(self) -> np.ndarray:
        """How many keys each row has."""
        i, first, stop = self.runs()
        return np.bincount(i, weights=stop - first, minlength=self.n).astype(np.int64)

    def __getitem__(self, rows: slice) -> "Pattern":
        """Some rows, one after the other: ``p[16:32]``."""
        if not isinstance(rows, slice):
            raise TypeError(f"rows must be a slice, as in p[16:32], got {rows!r}")
        start, stop, step = rows.indices(self.n)
        if step != 1:
            raise ValueError(f"rows must follow one another, got a step of {step}")
        stop = max(start, stop)
        return Pattern(stop - start, self.m, part(self.edges, start * self.m, stop * self.m))

    def squeezed(self) -> tuple[np.ndarray, "Pattern"]:
        """The columns that some row has, in order, and the pattern on these columns alone."""
        i, first, stop = self.runs()
        edges = merged(first, stop)
        columns = spelled(edges[::2], edges[1::2])
        places = np.searchsorted(columns, first), np.searchsorted(columns, stop)
        return columns, Pattern.from_runs(self.n, columns.size, i, *places)

    # A set

    def _with(self, other: Any, inside: Callable) -> Any:
        if not isinstance(other, Pattern):
            return NotImplemented
        if (self.n, self.m) != (other.n, other.m):
            raise ValueError(f"patterns must have one shape, got {self.n} x {self.m} and {other.n} x {other.m}")
        return Pattern(self.n, self.m, combined(self.edges, other.edges, inside))

    def __or__(self, other: Any) -> "Pattern":
        return self._with(other, operator.or_)

    def __and__(self, other: Any) -> "Pattern":
        return self._with(other, operator.and_)

    def __xor__(self, other: Any) -> "Pattern":
        return self._with(other, operator.xor)

    def __sub__(self, other: Any) -> "Pattern":
        return self._with(other, lambda a, b: a & ~b)

    def __invert__(self) -> "Pattern":
        return Pattern(self.n, self.m, complement(self.edges, self.n * self.m))

    def __le__(self, other: Any) -> bool:
        less = self - other
        return less if less is NotImplemented else not len(less)

    def __eq__(self, other: Any) -> bool:
        if not isinstance(other, Pattern):
            return NotImplemented
        return (self.n, self.m) == (other.n, other.m) and np.array_equal(self.edges, other.edges)

    def __hash__(self) -> int:
        return hash((self.n, self.m, self.edges.tobytes()))

    def __len__(self) -> int:
        return int(np.sum(self.edges[1::2] - self.edges[::2]))

    def __contains__(self, pair: tuple[int, int]) -> bool:
        i, j = pair
        inside = 0 <= i < self.n and 0 <= j < self.m
        return bool(inside and np.searchsorted(self.edges, i * self.m + j, side="right") % 2)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        i, j = self.pairs()
        return zip(i.tolist(), j.tolist(), strict=True)

    @property
    def density(self) -> float:
        """The share of all n m pairs that is in the set."""
        return len(self) / max(self.n * self.m, 1)

    # Other patterns from this one

    def causal(self) -> "Pattern":
        """The pairs with ``j <= i + m - n``: the last query stands beside the last key."""
        i, first, stop = self.runs()
        return Pattern.from_runs(self.n, self.m, i, first, np.minimum(stop, i + self.m - self.n + 1))

    def transposed(self) -> "Pattern":
        """The pairs (j, i)."""
        i, j = self.pairs()
        return Pattern.from_pairs(self.m, self.n, j, i)

    def permuted(self, order: Iterable[int]) -> "Pattern":
        """The same pairs after positions were put in another order: new position a is old position ``order[a]``."""
        order = np.asarray(list(order))
        if self.n != self.m or not np.array_equal(np.sort(order), np.arange(self.n)):
            raise ValueError(f"order must be a permutation of the {self.n} queries, which must be as many as the keys")
        place, (i, j) = np.argsort(order), self.pairs()
        return Pattern.from_pairs(self.n, self.m, place[i], place[j])

    def blocks(self, block: int) -> "Pattern":
        """Which blocks of `block` queries and keys hold a pair: a pattern of ceil(n / block) x ceil(m / block)."""
        at_least("block", block, 1)
        i, first, stop = self.runs()
        n, m = (-(-size // block) for size in (self.n, self.m))
        return Pattern.from_runs(n, m, i // block, first // block, (stop - 1) // block + 1)

    def full_blocks(self, block: int) -> "Pattern":
        """Which blocks hold all of their pairs."""
        return ~(~self).blocks(block)

    def spread(self, block: int, n: int, m: int) -> "Pattern":
        """Blocks as pairs: every pair of this pattern becomes block x block of them, cut to n x m."""
        i, first, stop = self.runs()
        rows = i[:, None] * block + np.arange(block)
        inside = rows < n
        first, stop = (np.broadcast_to(x[:, None] * block, rows.shape)[inside] for x in (first, stop))
        return Pattern.from_runs(n, m, rows[inside], first, stop)

    # Steps

    def __matmul__(self, other: Any) -> "Pattern":
        """The pairs (i, k) with a pair (i, j) of this pattern and (j, k) of the other: information goes k, j, i."""
        if not isinstance(other, Pattern):
            return NotImplemented
        if self.m != other.n:
            raise ValueError(f"the columns of one must be the rows of the other, got {self.m} and {other.n}")
        return Pattern(self.n, other.m, joined(self.runs(), other.runs(), other.n, other.m))

    def reach(self, hops: int) -> "Pattern":
        """The pairs joined by exactly `hops` steps, for n = m: a boolean power."""
        if self.n != self.m:
            raise ValueError(f"steps need as many queries as keys, got {self.n} x {self.m}")
        every = np.arange(self.n)
        power = Pattern.from_pairs(self.n, self.n, every, every)
        for bit in bin(at_least("hops", hops, 0))[2:]:
            power = power @ power
            power = power @ self if bit == "1" else power
        return power

    # Print

    def picture(self) -> str:
        """A line a query, ``#`` where it may attend and ``-`` where not."""
        return "\n".join("".join("-#"[seen] for seen in row) for row in self.dense().astype(int))

    def __str__(self) -> str:
        return self.picture() if max(self.n, self.m) <= PICTURE else repr(self)

    def __repr__(self) -> str:
        return f"Pattern({self.n} x {self.m}, {len(self)} pairs, density {self.density:.3g})"
