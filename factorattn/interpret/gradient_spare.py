"""Cotangents of zero: they are pulled back to zero, also where a slope is infinite or NaN.

    spare      g slope          0 where g is
    over       g / x            0 where g is
    spared     sum_j g_j x_j    without the j where g is

So entries that a `where` left out stay out, whatever they hold. What is not finite is rare: it is looked for, and only
where it occurs the careful way is taken. Zeros of a slope spare nothing: a NaN that is asked for is told.
"""

from collections.abc import Callable
from typing import Any

from factorattn.interpret.counting import NeedsValues

__all__ = ["occurs", "over", "spare", "spared"]


def occurs(condition: Any, *, xp: Any) -> bool:
    """Whether a condition holds anywhere; taken to hold nowhere for arrays that have no values."""
    try:
        return bool(xp.any(condition))
    except NeedsValues:
        return False


def spare(slope: Any, g: Any, *, xp: Any) -> Any:
    """A slope that may be multiplied by a cotangent g: zero where it is not finite and g is zero."""
    if not hasattr(slope, "dtype"):
        return slope
    finite = xp.isfinite(slope)
    return xp.where(finite | (g != 0), slope, 0) if occurs(~finite, xp=xp) else slope


def over(g: Any, x: Any, *, xp: Any) -> Any:
    """A cotangent g over x; zero where g is."""
    if not hasattr(x, "dtype"):
        return g / x
    bad = ~xp.isfinite(x) | (x == 0)
    return g / xp.where(bad & (g == 0), 1, x) if occurs(bad, xp=xp) else g / x


def spared(product: Callable, g: Any, x: Any, *, xp: Any) -> Any:
    """The product of a cotangent g and x, sums of products of their entries, without those where g is zero."""
    finite = xp.isfinite(x)
    if not occurs(~finite, xp=xp):
        return product(g, x)
    real = x.dtype if xp.isdtype(x.dtype, "real floating") else xp.abs(x).dtype
    met = product(xp.astype(g != 0, real), xp.astype(~finite, real))  # how many of them each sum has
    return product(g, xp.where(finite, x, 0)) + xp.where(met == 0, met, xp.nan)
