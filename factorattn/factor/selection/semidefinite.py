"""What every method for semidefinite matrices needs of one: that it may be one, its diagonal, and a bound from it.

A >= F >= 0   gives   |A - F|_F <= tr(A - F)
"""

from typing import Any

from factorattn.factor.adjoint import adjoint
from factorattn.factor.selection.pieces import diagonal_of

__all__ = ["checked_diagonal", "trace_bound"]


def checked_diagonal(a: Any, *, xp: Any) -> Any:
    """The real diagonal (..., p) of a (..., p, p), whose largest entry is near 1; none of it below zero.

    Raises
    ------
    ValueError
        If, by more than half of the digits, A differs from its adjoint, has an entry below zero on its diagonal, or has
        its largest entry beside it. An array without values (counted, or traced) passes.
    """
    diagonal = diagonal_of(a, xp=xp)
    diagonal = xp.real(diagonal) if xp.isdtype(a.dtype, "complex floating") else diagonal
    if 0 not in a.shape:
        slack = float(xp.finfo(a.dtype).eps) ** 0.5
        largest = xp.max(xp.abs(a), axis=(-2, -1))  # (...)
        skew = xp.max(xp.abs(a - adjoint(a, xp=xp)), axis=(-2, -1))
        _refuse(skew > slack * largest, "differs from its conjugate transpose; take half of the sum of both", xp=xp)
        _refuse(xp.min(diagonal, axis=-1) < -slack * largest, "has negative entries on its diagonal", xp=xp)
        _refuse(xp.max(diagonal, axis=-1) < (1 - slack) * largest, "has its largest entry beside the diagonal", xp=xp)
    return xp.maximum(diagonal, xp.zeros_like(diagonal))


def trace_bound(diagonal: Any, g: Any, *, xp: Any) -> Any:
    """tr(A) - tr(G G^H), (...), each entry of the diagonal being what is left of it, and no less than zero."""
    left = diagonal - xp.sum(xp.square(xp.abs(g)), axis=-1)  # (..., p)
    return xp.sum(xp.maximum(left, xp.zeros_like(left)), axis=-1)


def _refuse(wrong, told, *, xp):
    try:
        some = bool(xp.any(wrong))
    except TypeError:
        return
    if some:
        raise ValueError(f"a must be positive semidefinite, but {told}")
