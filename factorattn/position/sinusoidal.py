"""Sinusoidal encoding (Vaswani et al. 2017): a position as the hands of d / 2 clocks.

    E[p, 2 i] = sin(p / 10000^(2 i / d)),   E[p, 2 i + 1] = cos(p / 10000^(2 i / d))

E[p + t] is a rotation of E[p] that depends on t alone, so that a linear map can look t positions back.
"""

import math
from typing import Any

from factorattn.catalogue import Position
from factorattn.contract import choose
from factorattn.position.options import kind_of, length, places
from factorattn.scalars import positive, whole

__all__ = ["sinusoidal"]


@Position(inputs="n = n, d = d, like: ...", output="n d", time="n*d", memory="n*d", paper="vaswani2017")
def sinusoidal(
    n: int, d: int, *, like: Any, offset: int = 0, base: float = 10000.0, layout: str = "interleaved"
) -> Any:
    """Table of sines and cosines, to be added to n vectors of size d.

    Parameters
    ----------
    n, d : int
        Rows and columns.
    like : array
        Array library, dtype and device of the table; its shape and values are not looked at.
    offset : int
        Position of the first row; negative ones are allowed.
    base : float
        Ratio of the longest to the shortest wavelength, nearly.
    layout : {"interleaved", "halves", "tensor2tensor"}
        "interleaved" is the paper's. "halves" has the same columns, all sines before all cosines. "tensor2tensor" has
        halves, too, but exponents i / (d / 2 - 1) instead of 2 i / d, and a zero as last column where d is odd: this is
        what the paper's own library computes.

    Returns
    -------
    e : array, shape (n, d)
        For odd d the last cosine is left out.

    Raises
    ------
    ValueError
        If n or d is negative, `base` is not positive, or `layout` is unknown.
    TypeError
        If `like` is not a floating array.

    Notes
    -----
    Angles are computed in float64, whatever the dtype: in float32 that of position 10^6 would be off by 0.03.
    A cosine is taken as a sine, a quarter of a turn ahead.

    References
    ----------
    Vaswani et al., "Attention Is All You Need", 2017, section 3.5. arXiv:1706.03762
    """
    n, d = length("n", n), length("d", d)
    rates, turns = choose(LAYOUTS, layout=layout)(d, positive(base=base))
    xp, device, dtype, _ = kind_of(like)
    rates, turns = (xp.asarray(x, dtype=xp.float64, device=device) for x in (rates, turns))  # (d,)
    angles = places(n, whole(offset=offset), device=device, xp=xp)[:, None] * rates  # (n, d)
    return xp.astype(xp.sin(angles + turns), dtype)


QUARTER = math.pi / 2


def _interleaved(d, base):
    """Radians a position, and the phase, of every column."""
    return [base ** -(c // 2 * 2 / d) for c in range(d)], [c % 2 * QUARTER for c in range(d)]


def _halves(d, base):
    sines = -(-d // 2)
    rates = [base ** -(i * 2 / d) for i in range(sines)]
    return rates + rates[: d - sines], [0.0] * sines + [QUARTER] * (d - sines)


def _tensor2tensor(d, base):
    half = d // 2
    rates = [base ** -(i / max(half - 1, 1)) for i in range(half)]
    return 2 * rates + [0.0] * (d % 2), [0.0] * half + [QUARTER] * half + [0.0] * (d % 2)


LAYOUTS = {"interleaved": _interleaved, "halves": _halves, "tensor2tensor": _tensor2tensor}
