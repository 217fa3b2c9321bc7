"""Rows and pairs picked by positions that are data, and rows added up where they are to go.

    take_rows   out_j = x_{index_j}
    take_pairs  out_ac = table_{rows_a, cols_c}
    add_rows    out_i = sum over j with place_j = i of x_j

Batch axes broadcast. The array API has no scatter: to add up, rows are sorted by the place they go to, and in each
block of them equal places are summed by a matrix product.
"""

import math
from typing import Any

import numpy as np

from factorattn.primitives.pairs import weigh

__all__ = ["add_rows", "are_leaders", "leaders", "take_pairs", "take_rows"]


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

    Positions ascend. Of equal entries the first ones are taken; NaN is as small as -inf. `count` is in 1 .. n.
    """
    *batch, n = score.shape
    members = math.prod(batch)
    is_leader = are_leaders(score, count, xp=xp)
    number = xp.reshape(xp.cumulative_sum(xp.astype(is_leader, xp.int64), axis=-1), (members, n))
    row = xp.arange(members, dtype=xp.int64, device=score.device)[:, None]
    wanted = xp.arange(1, count + 1, dtype=xp.int64, device=score.device)[None, :] + row * count  # (members, count)
    found = _search(number + row * count, wanted, "left", xp=xp) - row * n
    return xp.reshape(found, (*batch, count)), is_leader


def are_leaders(score: Any, count: int, *, xp: Any) -> Any:
    """Which entries of score (..., n) are the `count` largest, as `leaders` has it: booleans (..., n)."""
    low = xp.where(xp.isnan(score), xp.inf, -score)  # (..., n)
    limit = xp.sort(low, axis=-1, stable=False)[..., count - 1 : count]  # values alone: faster than an order
    below, level = low < limit, low == limit
    room = count - xp.sum(xp.astype(below, xp.int64), axis=-1, keepdims=True)  # (..., 1): places for those that tie
    return below | (level & (xp.cumulative_sum(xp.astype(level, xp.int64), axis=-1) <= room))


def add_rows(x: Any, place: Any, places: int, *, most: int, xp: Any) -> Any:
    """Add up the rows that go to the same place.

    Parameters
    ----------
    x : array, shape (..., j, e)
    place : integer array, shape (..., j)
        Where each row goes, in 0 .. places - 1; its batch axes are among those of x.
    places : int
    most : int
        No more rows than this go to one place.

    Returns
    -------
    total : array, shape (..., places, e)
        Zeros where no row goes. A row that is not finite reaches its own place only.
    """
    order = xp.argsort(place, axis=-1, stable=True)  # (..., j)
    x = take_rows(x, order, xp=xp)  # (..., j, e): equal places now stand together
    place = xp.take_along_axis(place, order, axis=-1)
    first, last = _runs(place, places, xp=xp)  # (..., places): where each place begins and ends
    *batch, j, e = x.shape
    blocks = -(-j // most)
    rest = blocks * most - j
    if rest:
        x = xp.concat([x, xp.zeros((*batch, rest, e), dtype=x.dtype, device=x.device)], axis=-2)
        filler = xp.full((*place.shape[:-1], rest), -1, dtype=place.dtype, device=place.device)
        place = xp.concat([place, filler], axis=-1)
    place = xp.reshape(place, (*place.shape[:-1], blocks, most))
    same = xp.astype(place[..., :, None] == place[..., None, :], x.dtype)  # (..., j / most, most, most)
    sums = weigh(same, xp.reshape(x, (*batch, blocks, most, e)), guarded=True, xp=xp)  # (..., j / most, most, e)
    sums = xp.reshape(sums, (*batch, blocks * most, e))
    none = first > last
    split = first // most != last // most  # equal places lie in two blocks at the most, for there are `most` of them
    total = take_rows(sums, xp.where(none, 0, last), xp=xp)  # (..., places, e)
    total = total + xp.where(split[..., None], take_rows(sums, xp.where(none, 0, first), xp=xp), 0.0)
    return xp.where(none[..., None], 0.0, total)


def _runs(place, places, *, xp):
    """The first and the last index of each place in place (..., j), sorted; where there is none, the last is before."""
    *batch, j = place.shape
    members = math.prod(batch)
    row = xp.arange(members, dtype=xp.int64, device=place.device)[:, None]
    wanted = xp.arange(places, dtype=xp.int64, device=place.device)[None, :] + row * places  # (members, places)
    flat = xp.reshape(place, (members, j)) + row * places
    ends = (_search(flat, wanted, side, xp=xp) - row * j for side in ("left", "right"))
    first, last = (xp.reshape(x, (*batch, places)) for x in ends)
    return first, last - 1


def _search(rows, wanted, side, *, xp):
    """Where numbers stand in rows (members, j) that ascend, each from where the one before it ended: flat indices."""
    flat = xp.searchsorted(xp.reshape(rows, (-1,)), xp.reshape(wanted, (-1,)), side=side)
    return xp.reshape(flat, wanted.shape)
