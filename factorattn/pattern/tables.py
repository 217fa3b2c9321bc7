"""Rows of a pattern as rectangles of keys, to gather by."""

import numpy as np

from factorattn.pattern.pattern import Pattern
from factorattn.pattern.runs import spelled

__all__ = ["key_tables"]


def key_tables(pattern: Pattern) -> tuple[list[tuple[np.ndarray, np.ndarray]], np.ndarray]:
    """Rows that have about as many keys, and their keys; -1 fills up a row, to at most twice its length.

    Returns
    -------
    tables : list of (rows, keys)
        Arrays (r,) and (r, width); every row of the pattern is in one of them, and width is 1 at the least.
    place : array (n,)
        Where each row of the pattern is among those of the tables, one after the other.
    """
    counts, (_, j) = pattern.counts(), pattern.pairs()
    start = np.cumsum(counts) - counts
    doublings = np.ceil(np.log2(np.maximum(counts, 1))).astype(np.int64)
    tables = []
    for doubling in np.unique(doublings):
        rows = np.flatnonzero(doublings == doubling)
        width = max(int(np.max(counts[rows])), 1)
        keys = np.full((rows.size, width), -1, dtype=np.int64)
        keys[np.arange(width) < counts[rows, None]] = j[spelled(start[rows], start[rows] + counts[rows])]
        tables.append((rows, keys))
    return tables, np.argsort(doublings, kind="stable").argsort()
