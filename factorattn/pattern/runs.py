"""Sets of integers as sorted edges: a set is left or entered at each edge, so that runs cost as much as single numbers.

    edges (2, 5, 7, 8)  is  {2, 3, 4, 7};   inside(x) = how many edges are <= x, modulo 2

Every function returns edges that rise strictly: equal sets have equal edges.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["combined", "complement", "joined", "merged", "part", "spelled"]

CHUNK = 2**22  # runs that a product looks at together
Ints = np.ndarray[Any, np.dtype[np.int64]]


def merged(starts: Any, stops: Any) -> Ints:
    """The edges of the union of runs ``start <= x < stop``, which may overlap, be empty and come in any order."""
    starts, stops = (np.asarray(x, dtype=np.int64).ravel() for x in (starts, stops))
    some = stops > starts
    order = np.argsort(starts[some], kind="stable")
    starts, stops = starts[some][order], np.maximum.accumulate(stops[some][order])
    apart = starts[1:] > stops[:-1]  # a gap before this run
    edges = starts[np.append(True, apart)[: starts.size]], stops[np.append(apart, True)[: starts.size]]
    return np.stack(edges, axis=1).ravel()


def combined(a: Ints, b: Ints, inside: Callable) -> Ints:
    """The edges of the set of x with ``inside(x in a, x in b)``; ``inside(False, False)`` must be false."""
    at = np.union1d(a, b)
    now = inside(*(np.searchsorted(edges, at, side="right") % 2 == 1 for edges in (a, b)))
    return at[np.diff(now, prepend=False)]


def complement(edges: Ints, size: int) -> Ints:
    """The edges of all x in 0 .. size - 1 that are not in the set."""
    return np.setxor1d(edges, np.asarray([0, size])) if size else edges


def part(edges: Ints, first: int, stop: int) -> Ints:
    """The edges of the members from `first` up to `stop`, counted from `first`."""
    if first >= stop:
        return edges[:0]
    begin, end = np.searchsorted(edges, [first, stop], side="left")
    kept = edges[begin:end]
    if begin % 2:  # inside a run at `first`
        kept = kept[1:] if kept.size and kept[0] == first else np.append(first, kept)
    return (np.append(kept, stop) if end % 2 else kept) - first


def spelled(starts: Ints, stops: Ints) -> Ints:
    """All integers of the runs, run after run."""
    lengths = stops - starts
    before = np.cumsum(lengths) - lengths
    return np.arange(int(np.sum(lengths)), dtype=np.int64) + np.repeat(starts - before, lengths)


def joined(ours: tuple[Ints, Ints, Ints], theirs: tuple[Ints, Ints, Ints], n: int, m: int) -> Ints:
    """The edges of codes i m + k with a pair (i, j) of ours and (j, k) of theirs, which has n rows and m columns.

    Both are rows, firsts and stops of runs, sorted by row. A run of ours meets one stretch of theirs.
    """
    (i, first, stop), (owner, left, right) = ours, theirs
    at = np.searchsorted(owner, np.arange(n + 1))  # where the runs of each row begin
    begin, end = at[first], at[stop]
    total = np.cumsum(end - begin)
    cuts = np.searchsorted(total, np.arange(CHUNK, total[-1] if total.size else 0, CHUNK))
    edges = []
    for some in np.split(np.arange(i.size), cuts):
        run = spelled(begin[some], end[some])
        row = np.repeat(i[some], end[some] - begin[some]) * m
        edges.append(merged(row + left[run], row + right[run]))
    together = np.concatenate(edges)
    return merged(together[::2], together[1::2])
