"""A row of scores, seen from its largest; and weights that are all on one key.

    x_j = a_j - max_l a_l

A score of -inf is a key that is not seen. One of +inf ties with the largest number there is: its limit, without NaN.
"""

from typing import Any

from factorattn.primitives.pairs import finite_top

__all__ = ["below_top", "capped", "one_hot"]


def capped(a: Any, *, xp: Any) -> Any:
    """The scores with +inf replaced by the largest finite number; NaN stays."""
    return xp.minimum(a, float(xp.finfo(a.dtype).max))


def below_top(a: Any, *, xp: Any) -> tuple[Any, Any]:
    """Scores (..., m) minus the largest of their row, and whether the row (..., 1) sees no key at all."""
    a = capped(a, xp=xp)
    top = xp.max(a, axis=-1, keepdims=True)  # (..., 1)
    return a - finite_top(top, xp=xp), top == -xp.inf


def one_hot(index: Any, weight: Any, m: int, *, xp: Any) -> Any:
    """Rows (..., m) with a weight (..., 1) at an index (..., 1), and zeros elsewhere; all NaN where the weight is."""
    chosen = xp.arange(m, dtype=index.dtype, device=index.device) == index  # (..., m)
    return xp.where(chosen, weight, xp.where(xp.isnan(weight), weight, 0.0))
