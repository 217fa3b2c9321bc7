"""Parts of matrices: adjoints, columns, rows, diagonals."""

from typing import Any

from factorattn.primitives.gather import take_rows

__all__ = ["columns_of", "diagonal_of", "rounding", "rows_of"]


def columns_of(a: Any, index: Any, *, xp: Any) -> Any:
    """Columns of a (..., p, q) by their numbers (..., k), bit for bit: (..., p, k)."""
    return xp.take_along_axis(a, index[..., None, :], axis=-1)


def rows_of(a: Any, index: Any, *, xp: Any) -> Any:
    """Rows of a (..., p, q) by their numbers (..., k), bit for bit: (..., k, q)."""
    return take_rows(a, index, xp=xp)


def diagonal_of(a: Any, *, xp: Any) -> Any:
    """The diagonal (..., p) of square matrices (..., p, p)."""
    *batch, p, _ = a.shape
    return xp.reshape(a, (*batch, p * p))[..., :: p + 1]


def rounding(dtype: Any, length: int, *, xp: Any) -> float:
    """What sums of `length` terms near 1 may be off by."""
    return float(xp.finfo(dtype).eps) * length
