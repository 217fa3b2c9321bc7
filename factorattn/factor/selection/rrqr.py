"""Rank-revealing QR: the columns of a matrix in such an order that the first ones tell its rank.

    A P = Q [R_11  R_12]      sigma_i(R_11) >= sigma_i(A) / g,   sigma_j(R_22) <= sigma_(k+j)(A) g,
            [ 0    R_22],     g = sqrt(1 + f^2 k (q - k))

Column pivoting (Businger and Golub 1965) finds such an order as a rule, swaps (Gu and Eisenstat 1996) always.
"""

from typing import Any

from factorattn.catalogue import Factorization
from factorattn.factor.door import admit, unit_scale
from factorattn.factor.selection.kinds import PivotedQR
from factorattn.factor.selection.pieces import columns_of
from factorattn.factor.selection.strong import factor_of, strong_order
from factorattn.primitives.pivoted_qr import pivoted_qr

__all__ = ["revealed", "rrqr"]

INPUTS = "a: ... p q, rank = r"


@Factorization(
    inputs=INPUTS,
    time="p*q*r + p*r**2",
    memory="p*q + p*r",
    exact="rank",
    lowrank=True,
    paper="businger1965",
)
def rrqr(a: Any, rank: int, *, strong: float | None = None) -> PivotedQR:
    """Factor a matrix into orthonormal columns and a triangle, the largest remaining column first.

    Parameters
    ----------
    a : array, shape (..., p, q)
        Real or complex.
    rank : int
        Number of columns r that are taken; min(p, q) or more takes all that there can be.
    strong : float above 1, optional
        f: columns are swapped until no entry of R_11^-1 R_12 is larger than f, and the bounds above hold. Their number
        depends on the values. Left out, none are swapped.

    Returns
    -------
    qr : PivotedQR
        q (..., p, k) and r (..., k, q) with ``a`` near ``q @ r``, and order (..., q) with ``a[:, order[:k]]`` near
        ``q @ triangle[:, :k]``; k is the rank or min(p, q). ``error_bound`` is the error itself, the norm of R_22.

    Raises
    ------
    ValueError
        If `a` has fewer than two axes or holds NaN or infinity, `rank` is not a positive integer, or `strong` is not
        above 1.
    TypeError
        If `a` is not a floating array or `strong` not a real number.

    Notes
    -----
    Without swaps the bounds can fail, though they rarely do: on Kahan's matrix the last diagonal entry of R is far
    above the smallest singular value. Pivots that tie may differ between libraries. Columns are reflected one at a
    time; for NumPy arrays LAPACK takes all of them, unless they are many and the rank is small.

    References
    ----------
    Businger and Golub, "Linear least squares solutions by Householder transformations", Numerische Mathematik 7, 1965.
    Gu and Eisenstat, "Efficient algorithms for computing a strong rank-revealing QR factorization", SIAM Journal on
    Scientific Computing 17, 1996, pages 848-869.
    """
    xp, size, (a,) = admit(INPUTS, a=a, rank=rank)
    scale = unit_scale(a, xp=xp)  # (..., 1, 1)
    q, triangle, order, rest = revealed(a / scale, size["r"], factor_of(strong=strong), xp=xp)
    back = xp.argsort(order, axis=-1)
    r = columns_of(triangle, back, xp=xp) * scale
    return PivotedQR(q, r, order, error_bound=rest * xp.astype(scale[..., 0, 0], rest.dtype))


def revealed(a: Any, rank: int, f: float | None, *, xp: Any) -> tuple[Any, Any, Any, Any]:
    """q, triangle, order and the norm of the rest, as of `pivoted_qr`, for a matrix whose largest entry is near 1."""
    k = min(rank, *a.shape[-2:])
    if f is None:
        return pivoted_qr(a, k)
    order = strong_order(a, pivoted_qr(a, k)[2], k, f, xp=xp)
    q, r = xp.linalg.qr(columns_of(a, order, xp=xp))
    rest = xp.linalg.vector_norm(r[..., k:, k:], axis=(-2, -1))
    return q[..., :, :k], r[..., :k, :], order, rest
