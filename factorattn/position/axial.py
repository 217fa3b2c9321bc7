"""Axial positions (Kitaev et al. 2020, after Ho et al. 2019): the table of x y positions from two small ones.

    E[p] = (E1[p // y], E2[p mod y])      or their sum

Stored are x f + y g numbers instead of x y (f + g).

However wide, the table has rank at most x + y - 1; still, no two of its x y rows need be equal.
"""

from typing import Any

import numpy as np

from factorattn.catalogue import Position
from factorattn.contract import check, choose, working_precision
from factorattn.position.options import length as rows_of
from factorattn.scalars import whole

__all__ = ["axial"]

TABLES = "e_1: ... x f, e_2: ... y g"


@Position(inputs=f"{TABLES}, length? = l", output="l f+g", time="l", memory="l*f + l*g", paper="kitaev2020")
def axial(e_1: Any, e_2: Any, length: int | None = None, *, offset: int = 0, combine: str = "concat") -> Any:
    """Positions on a grid of x rows and y columns, from a table for rows and one for columns.

    Parameters
    ----------
    e_1 : array, shape (..., x, f)
        Of the rows: the slow axis.
    e_2 : array, shape (..., y, g)
        Of the columns: the fast axis.
    length : int, optional
        Number l of positions; by default all from `offset` on.
    offset : int
        The first position.
    combine : {"concat", "sum"}
        "concat" is the paper's; "sum" needs f = g, and gives rows of that size.

    Returns
    -------
    e : array, shape (..., l, f + g), or (..., l, f) for "sum"

    Raises
    ------
    ValueError
        If a position is not on the grid, f and g differ for "sum", or `combine` is unknown.
    TypeError
        If the tables are not floating arrays of one library.

    Notes
    -----
    Positions are counted along rows, as the authors' library does; the documentation of Hugging Face's Reformer prints
    p mod x and p // x for the two indices, which its code does not do. 2^19 positions of size 2^10 on a grid of 2^9 by
    2^10 with f = g = 2^9 take 786 432 numbers instead of 536 870 912.

    References
    ----------
    Kitaev, Kaiser and Levskaya, "Reformer: The Efficient Transformer", 2020; the factored positions are in the authors'
    code, trax. arXiv:2001.04451

    Ho et al., "Axial Attention in Multidimensional Transformers", 2019. arXiv:1912.12180
    """
    xp, size = check(TABLES, e_1=e_1, e_2=e_2)
    join = choose(COMBINE, combine=combine)
    if combine == "sum" and size["f"] != size["g"]:
        raise ValueError(f"the sum needs tables of one width, got {size['f']} and {size['g']}")
    grid, first = size["x"] * size["y"], whole(offset=offset)
    last = grid if length is None else first + rows_of("length", length)
    if not 0 <= first <= last <= grid:
        raise ValueError(f"the grid holds positions 0 .. {grid - 1}, asked for {first} .. {last - 1}")
    dtype, (e_1, e_2) = working_precision(e_1, e_2, xp=xp)
    p = xp.arange(first, last, dtype=xp.int64, device=e_1.device)  # (l,)
    row = p // max(size["y"], 1)
    rows = xp.take(e_1, row, axis=-2)  # (..., l, f)
    columns = xp.take(e_2, p - row * size["y"], axis=-2)  # (..., l, g)
    return xp.astype(join(rows, columns, xp=xp), dtype, copy=False)


def _concat(rows, columns, *, xp):
    batch = np.broadcast_shapes(rows.shape[:-1], columns.shape[:-1])  # (..., l)
    parts = [xp.broadcast_to(part, (*batch, part.shape[-1])) for part in (rows, columns)]
    return xp.concat(parts, axis=-1)  # (..., l, f + g)


def _sum(rows, columns, *, xp):
    return rows + columns  # (..., l, f)


COMBINE = {"concat": _concat, "sum": _sum}
