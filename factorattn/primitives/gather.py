"""Rows and pairs picked by positions that are data, and rows added up where they are to go.

    take_rows   out_j = x_{index_j}
    take_pairs  out_ac = table_{rows_a, cols_c}
    add_rows    out_i = sum over j with place_j = i of x_j

Batch axes broadcast; nothing is written into. The array API has no scatter: to add up, rows are sorted by the place they
go to, and equal places are summed in blocks by one matrix product each.
"""

import math
from typing import Any

import numpy as np

from factorattn.primitives.pairs import weigh

__all__ = ["add_rows", "leaders", "take_pairs", "take_rows"]


def take_rows(x: Any, index: Any, *, xp: Any) -> Any:
    """The rows of x (..., n, d) at integers index (..., m) in 0 .. n - 1: an array (..., m, d)."""
    *batch, n, d = x.shape
    members = math.prod(batch)
    if members > 1:  # one flat array of rows: whole rows are copied, not number by number
        starts = xp.arange(members, dtype=xp.int64, device=x.device) * n
        index = index + xp.reshape(starts, (*batch, 1))  # (..., m)
    shape = (*np.broadcast_shapes(tuple(batch), index.shape[:-1]), index.shape[-1])
    flat = xp.reshape(xp.broadcast_to(index, shape), (math.prod(shape),))
    return xp.reshape(xp.take(xp.reshape(x, (members * n, d)), flat, axis=0), (*shape, d))


def take_pairs(table: Any, rows: Any, cols: Any, *, xp: Any) -> Any:
    """The entries of a table (..., n or 1, m or 1) at rows and columns that broadcast to (..., a, c).

    The result does so, too: a table that is the same for all rows (or columns) stays so.
    """
    n, m = table.shape[-2:]
    if n == m == 1:
        return table
    index = cols if n == 1 else rows if m == 1 else rows * m + cols  # (..., a or 1, c or 1)
    *batch, a, c = index.shape
    flat = xp.reshape(table, (*table.shape[:-2], n * m, 1))
    picked = take_rows(flat, xp.reshape(index, (*batch, a * c)), xp=xp)  # (..., a c, 1)
    return xp.reshape(picked, (*picked.shape[:-2], a, c))


def leaders(score: Any, count: int, *, xp: Any) -> tuple[Any, Any]:
    """Which entries of score (..., n) are the `count` largest: their positions (..., count), and whether each is one.

    The largest comes first; of equals the first in position. NaN is the smallest of all.
    """
    order = xp.argsort(-score, axis=-1, stable=True)  # (..., n)
    return order[..., :count], xp.argsort(order, axis=-1, stable=True) < count


def add_rows(x: Any, place: Any, counts: Any, *, most: int, xp: Any) -> Any:
    """Add up the rows that go to the same place.

    Parameters
    ----------
    x : array, shape (..., j, e)
    place : integer array, shape (..., j)
        Where each row goes, in 0 .. n - 1.
    counts : integer array, shape (..., n)
        How many rows go to each place.
    most : int
        No entry of `counts` is larger.

    Returns
    -------
    total : array, shape (..., n, e)
        Zeros where no row goes. A row that is not finite reaches its own place only.
    """
    order = xp.argsort(place, axis=-1, stable=True)  # (..., j)
    x = take_rows(x, order, xp=xp)  # (..., j, e): equal places now stand together
    place = xp.take_along_axis(place, order, axis=-1)
    *batch, j, e = x.shape
    blocks = -(-j // most)
    if blocks * most > j:
        rest = blocks * most - j
        x = xp.concat([x, xp.zeros((*batch, rest, e), dtype=x.dtype, device=x.device)], axis=-2)
        filler = xp.full((*place.shape[:-1], rest), -1, dtype=place.dtype, device=place.device)
        place = xp.concat([place, filler], axis=-1)
    place = xp.reshape(place, (*place.shape[:-1], blocks, most))
    same = xp.astype(place[..., :, None] == place[..., None, :], x.dtype)  # (..., j / most, most, most)
    sums = weigh(same, xp.reshape(x, (*batch, blocks, most, e)), guarded=True, xp=xp)  # (..., j / most, most, e)
    sums = xp.reshape(sums, (*batch, blocks * most, e))
    last = xp.cumulative_sum(counts, axis=-1) - 1  # (..., n)
    first = last - counts + 1
    split = first // most != last // most  # equal places lie in two blocks at the most, for there are `most` of them
    last, first = xp.where(counts > 0, last, 0), xp.where(counts > 0, first, 0)
    total = take_rows(sums, last, xp=xp)  # (..., n, e)
    total = total + xp.where(split[..., None], take_rows(sums, first, xp=xp), 0.0)
    return xp.where((counts > 0)[..., None], total, 0.0)
