"""Learned positions (Gehring et al. 2017; Vaswani et al. 2017): a row of a table for each.

    E[p],   p = offset, offset + 1, ...

Positions that the table does not hold have no encoding, and are refused.
"""

from typing import Any

from factorattn.catalogue import Position
from factorattn.contract import check
from factorattn.position.options import length as rows_of
from factorattn.scalars import whole

__all__ = ["learned"]

TABLE = "e: ... n d"


@Position(inputs=f"{TABLE}, length? = l", output="l d", time="0", memory="0", paper="gehring2017")
def learned(e: Any, length: int | None = None, *, offset: int = 0) -> Any:
    """Rows of a table of learned positions, to be added to as many vectors.

    Parameters
    ----------
    e : array, shape (..., n, d)
        The table.
    length : int, optional
        Number l of positions; by default all from `offset` on.
    offset : int
        The first position, as when one more token is decoded.

    Returns
    -------
    rows : array, shape (..., l, d)
        A view of the table where the array library has views.

    Raises
    ------
    ValueError
        If a position is not in the table.
    TypeError
        If `e` is not a floating array.

    References
    ----------
    Gehring et al., "Convolutional Sequence to Sequence Learning", 2017, section 3.1. arXiv:1705.03122

    Vaswani et al., "Attention Is All You Need", 2017, section 3.5, compare them with `sinusoidal`. arXiv:1706.03762
    """
    _, size = check(TABLE, e=e)
    first = whole(offset=offset)
    last = size["n"] if length is None else first + rows_of("length", length)
    if not 0 <= first <= last <= size["n"]:
        raise ValueError(f"e holds positions 0 .. {size['n'] - 1}, asked for {first} .. {last - 1}")
    return e[..., first:last, :]  # (..., l, d)
