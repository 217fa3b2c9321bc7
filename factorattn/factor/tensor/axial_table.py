"""The nearest axial table: positions on a grid of x rows and y columns, from one vector for each (Kitaev et al. 2020).

    E[y i + j] = (E1[i], E2[j])   or   E1[i] + E2[j],   p = y i + j

A column of the table that knows the row alone is nearest as the mean over the columns of the grid, and the other way
round. For the sum it is both means, less that of all: the two-way analysis of variance without interaction.
"""

from typing import Any

from factorattn.catalogue import Factorization
from factorattn.contract import choose
from factorattn.factor.door import admit, unit_scale
from factorattn.factor.factored import AxialTable
from factorattn.scalars import whole

__all__ = ["axial_table"]

INPUTS = "e: ... n d, x = x, y = y"


@Factorization(inputs=INPUTS, output="n d", time="n*d", memory="n*d", exact="form", optimal=True, paper="kitaev2020")
def axial_table(e: Any, *, x: int, y: int, combine: str = "concat", split: int | str | None = None) -> AxialTable:
    """Factor a position table into one for the rows of a grid and one for its columns.

    Parameters
    ----------
    e : array, shape (..., n, d)
        Row p is position p; real or complex.
    x, y : int
        Rows and columns of the grid, n = x y. Position p is in row p // y and column p mod y.
    combine : {"concat", "sum"}
        As in `factorattn.position.axial`.
    split : int or "best", optional
        For "concat", how many of the d columns know the row: f, while the other d - f know the column. Half of them by
        default, as in the paper; "best" looks at the values and takes the f of least error (over a whole batch).

    Returns
    -------
    table : AxialTable
        e_1 (..., x, f) and e_2 (..., y, d - f), or (..., x, d) and (..., y, d) for the sum. ``error_bound`` is the
        error.

    Raises
    ------
    ValueError
        If n is not x y, `e` holds NaN or infinity, `combine` is unknown, or `split` is out of 0 .. d or without
        "concat".
    TypeError
        If `e` is not a floating array, or `split` is of the wrong type.

    Notes
    -----
    No tables of these sizes are nearer. Those of the sum are determined but for a vector that one may give to the
    other: here the rows of e_2 have mean zero.

    References
    ----------
    Kitaev, Kaiser and Levskaya, "Reformer: The Efficient Transformer", 2020. arXiv:2001.04451

    Ho et al., "Axial Attention in Multidimensional Transformers", 2019. arXiv:1912.12180
    """
    xp, size, (e,) = admit(INPUTS, e=e, x=x, y=y)
    n, d, x, y = (size[letter] for letter in ("n", "d", "x", "y"))
    if n != x * y:
        raise ValueError(
            f"a grid of x = {x} rows and y = {y} columns has {x * y} positions, got n = {n}; expected {INPUTS}"
        )
    nearest = choose(COMBINE, combine=combine)
    if combine != "concat" and split is not None:
        raise ValueError(f"split is for combine='concat', got combine={combine!r}")
    scale = unit_scale(e, xp=xp)  # (..., 1, 1)
    grid = xp.reshape(e / scale, (*e.shape[:-2], x, y, d))
    e_1, e_2, left = nearest(grid, split, xp=xp)
    left = xp.reshape(left, (*e.shape[:-2], n * d))
    error = xp.linalg.vector_norm(left, axis=-1) * scale[..., 0, 0]
    return AxialTable(e_1 * scale, e_2 * scale, combine, error_bound=error)


def _concat(grid, split, *, xp):
    """Means over the columns of the grid, and over its rows, and what they leave."""
    d = grid.shape[-1]
    e_1, e_2 = _means(grid, xp=xp)  # (..., x, d), (..., y, d)
    by_row, by_column = grid - e_1[..., :, None, :], grid - e_2[..., None, :, :]
    f = _first_columns(split, d, by_row, by_column, xp=xp)
    return e_1[..., :f], e_2[..., f:], xp.concat([by_row[..., :f], by_column[..., f:]], axis=-1)


def _sum(grid, split, *, xp):
    """Both means, that of all taken off one of them, and what they leave."""
    e_1, e_2 = _means(grid, xp=xp)
    e_2 = e_2 - xp.sum(e_2, axis=-2, keepdims=True) / max(e_2.shape[-2], 1)
    return e_1, e_2, grid - e_1[..., :, None, :] - e_2[..., None, :, :]


COMBINE = {"concat": _concat, "sum": _sum}


def _means(grid, *, xp):
    *_, x, y, _ = grid.shape
    return xp.sum(grid, axis=-2) / y, xp.sum(grid, axis=-3) / x


def _first_columns(split, d, by_row, by_column, *, xp):
    """How many of d columns know the row."""
    if split == "best":
        lost = [
            xp.sum(xp.abs(left) ** 2, axis=tuple(range(left.ndim - 1))) for left in (by_row, by_column)
        ]  # (d,) each
        # Error of 0 .. d columns by row: those before, and the others by column
        by_count = xp.stack([xp.sum(lost[0][:f]) + xp.sum(lost[1][f:]) for f in range(d + 1)])
        return int(xp.argmin(by_count))
    f = d // 2 if split is None else whole(split=split)
    if not 0 <= f <= d:
        raise ValueError(f"split must be 'best' or in 0 .. {d}, got {split!r}")
    return f
