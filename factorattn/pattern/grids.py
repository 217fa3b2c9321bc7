"""Shapes on a grid of x rows and y columns, whose position (row, column) is number row y + column of the sequence."""

import numpy as np

from factorattn.pattern.options import two
from factorattn.pattern.pattern import Pattern
from factorattn.pattern.shapes import blocks, nothing
from factorattn.scalars import flag

__all__ = ["axial", "local_2d"]


def axial(x: int, y: int, axis: str = "row") -> Pattern:
    """The pairs in one row, or in one column (Ho et al. 2019)."""
    if axis not in ("row", "column"):
        raise ValueError(f"axis must be 'row' or 'column', got {axis!r}")
    if not x * y:
        return nothing(0)
    if axis == "row":
        return blocks(x * y, y)
    i = np.arange(x * y)[:, None]
    return Pattern.from_pairs(x * y, x * y, i, i % y + y * np.arange(x))


def local_2d(x: int, y: int, block: tuple[int, int], memory: tuple[int, int], *, causal: bool = False) -> Pattern:
    """Blocks of queries of a grid, each with its keys and a margin of `memory` rows and columns (Parmar et al. 2018).

    Causal, the margin lies above, left and right, and a query sees what was made before it, and itself: blocks are made
    row by row, and so are the positions of a block.
    """
    (tall, wide), (above, beside) = two("block", block, 1), two("memory", memory, 0)
    i = np.arange(x * y)[:, None]
    row, column = np.divmod(i, max(y, 1))
    top, left = row // tall * tall, column // wide * wide  # corner of the block of each query
    other = top + np.arange(-above, tall + (0 if flag(causal=causal) else above))  # rows of keys: each holds one run
    first, stop = left - beside + 0 * other, left + wide + beside + 0 * other
    if causal:
        made = np.where(other < row, left + wide, np.where(other == row, column + 1, left))
        stop = np.where(other < top, stop, made)
    inside = (other >= 0) & (other < x)
    begin = other * y
    runs = (i + 0 * other, begin + np.clip(first, 0, y), begin + np.clip(stop, 0, y))
    return Pattern.from_runs(x * y, x * y, *(side[inside] for side in runs))
