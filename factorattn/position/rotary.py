"""Rotary positions (Su et al. 2021): queries and keys are turned, so that their product depends on distance alone.

    (x_2i, x_2i+1) turned by the angle p theta_i,   theta_i = 10000^(-2 i / d)

The product of two turned vectors is R_p q . R_t k = q . R_(t - p) k.
"""

from typing import Any

from factorattn.catalogue import Position
from factorattn.contract import check, choose, working_precision
from factorattn.position.options import in_float64, places
from factorattn.scalars import positive, whole

__all__ = ["rotary"]

INPUTS = "x: ... n d, positions?: ... n"


@Position(inputs=INPUTS, output="n d", time="n*d", memory="n*d", paper="su2021")
def rotary(
    x: Any,
    positions: Any | None = None,
    *,
    offset: int = 0,
    base: float = 10000.0,
    size: int | None = None,
    layout: str = "interleaved",
) -> Any:
    """Turn each vector by its position: apply to queries and to keys, not to values.

    Parameters
    ----------
    x : array, shape (..., n, d)
        Queries or keys.
    positions : array, shape (..., n), optional
        Of the rows, where they are not consecutive (packed or padded sequences): integers, or real numbers. Give heads
        an axis of size 1.
    offset : int
        Position of the first row, where `positions` is left out. For the queries of a decoder this is m - n.
    base : float
        Ratio of the longest to the shortest wavelength, nearly.
    size : int, optional
        How many leading features turn; the others stay. An even number, by default the largest up to d.
    layout : {"interleaved", "halves"}
        Which features are a pair: 2 i and 2 i + 1, as in the paper, or i and i + size / 2, as in GPT-NeoX and most
        checkpoints since. Weights trained with one give nonsense with the other.

    Returns
    -------
    turned : array, shape (..., n, d), dtype of x

    Raises
    ------
    ValueError
        If shapes disagree, `size` is odd or above d, `base` is not positive, both `positions` and `offset` are given,
        or `layout` is unknown.
    TypeError
        If inputs are not arrays of one library, `x` a floating one.

    Notes
    -----
    Angles are computed in float64, whatever the dtype: in float32 that of position 10^6 would be off by 0.03.

    References
    ----------
    Su et al., "RoFormer: Enhanced Transformer with Rotary Position Embedding", 2021, section 3.2. arXiv:2104.09864
    """
    p = in_float64(positions=positions)  # (..., n): float16 would not hold the position 2049
    xp, found = check(INPUTS, x=x, positions=p)
    pairs_of, base = choose(LAYOUTS, layout=layout), positive(base=base)
    d = found["d"]
    turning = d // 2 * 2 if size is None else whole(size=size)
    if not 0 <= turning <= d or turning % 2:
        raise ValueError(f"size must be an even number in 0 .. {d}, got {size!r}")
    if positions is not None and whole(offset=offset) != 0:
        raise ValueError("offset must be 0 where positions are given: they say it all")
    if p is None:
        p = places(found["n"], whole(offset=offset), device=x.device, xp=xp)  # (n,)
    dtype, (x,) = working_precision(x, xp=xp)
    partner, rates = pairs_of(turning, d, base)
    angles = p[..., None] * xp.asarray(rates, dtype=xp.float64, device=x.device)  # (..., n, d)
    other = xp.take(x, xp.asarray(partner, dtype=xp.int64, device=x.device), axis=-1)  # (..., n, d)
    turned = x * xp.astype(xp.cos(angles), x.dtype) + other * xp.astype(xp.sin(angles), x.dtype)
    return xp.astype(turned, dtype, copy=False)


# Of each feature c, its partner and its rate theta: the new feature is x_c cos(p theta) + x_partner sin(p theta), with
# a negative theta for the first of a pair. A feature that stays is its own partner, at theta = 0.


def _interleaved(turning, d, base):
    partner = [c + 1 - c % 2 * 2 for c in range(turning)]
    rates = [(c % 2 * 2 - 1) * base ** (-(c // 2 * 2) / turning) for c in range(turning)]
    return partner + list(range(turning, d)), rates + [0.0] * (d - turning)


def _halves(turning, d, base):
    half = turning // 2
    rates = [base ** (-2 * i / turning) for i in range(half)]
    partner = [(c + half) % turning for c in range(turning)]
    return partner + list(range(turning, d)), [-rate for rate in rates] + rates + [0.0] * (d - turning)


LAYOUTS = {"interleaved": _interleaved, "halves": _halves}
