"""Swaps that make a QR factorization reveal the rank (Gu and Eisenstat 1996).

    rho_ij^2 = |(R_11^-1 R_12)_ij|^2 + |row i of R_11^-1|^2 |column j of R_22|^2

Columns i and k + j are swapped while some rho_ij > f. As a swap multiplies |det R_11| by rho_ij, they come to an end.
"""

from typing import Any

from factorattn.factor.selection.pieces import columns_of, diagonal_of, rounding
from factorattn.scalars import real

__all__ = ["coefficients", "factor_of", "strong_order"]


def factor_of(*, strong: float | None) -> float | None:
    """The bound f, a real number above 1, or None."""
    if strong is not None and not real(strong=strong) > 1:
        raise ValueError(f"strong must be above 1, got {strong!r}; 2 is a usual choice")
    return strong


def strong_order(a: Any, order: Any, k: int, f: float, *, xp: Any) -> Any:
    """An order (..., q) of the columns of a (..., p, q) in which no rho_ij is above f.

    Its control flow depends on values. Rows of R_11 that are rounding take no part.
    """
    n = a.shape[-1]
    if k == 0 or k == n:
        return order
    _, r = xp.linalg.qr(a)  # (..., m, q): of the shorter columns the QR is taken anew
    place = xp.arange(n, device=a.device)
    before = -xp.inf
    while True:
        _, t = xp.linalg.qr(columns_of(r, order, xp=xp))
        volume = xp.sum(xp.log(_pivots(t, k, xp=xp)[0]), axis=-1, keepdims=True)  # (..., 1)
        rho = _growth(t, k, xp=xp)  # (..., k * (q - k))
        worst = xp.argmax(rho, axis=-1, keepdims=True)  # (..., 1)
        grows = (xp.max(rho, axis=-1, keepdims=True) > f) & (volume > before)  # else rounding would go in circles
        if not bool(xp.any(grows)):
            return order
        i, j = worst // (n - k), k + worst % (n - k)
        swapped = xp.where(place == i, j, xp.where(place == j, i, place))
        order = xp.take_along_axis(order, xp.where(grows, swapped, place), axis=-1)
        before = xp.where(grows, volume, xp.inf)


def coefficients(r: Any, k: int, *, xp: Any) -> tuple[Any, Any]:
    """R_11^-1 R_12 of a triangle r (k or more rows), (..., k, q - k), and the norm of the rows of R_12 left out, (...).

    A row whose diagonal entry is rounding is left out: its coefficients are zero.
    """
    _, kept = _pivots(r, k, xp=xp)
    left_out = xp.where(kept[..., :, None], 0.0, r[..., :k, k:])
    t = xp.linalg.solve(_cleaned(r, k, kept, xp=xp), r[..., :k, k:] - left_out)
    return t, xp.linalg.vector_norm(left_out, axis=(-2, -1))


def _growth(r, k, *, xp):
    """All rho_ij, in one axis."""
    t, _ = coefficients(r, k, xp=xp)
    inverse = xp.linalg.inv(_cleaned(r, k, _pivots(r, k, xp=xp)[1], xp=xp))
    long = xp.linalg.vector_norm(inverse, axis=-1)[..., :, None]  # (..., k, 1)
    wide = xp.linalg.vector_norm(r[..., k:, k:], axis=-2)[..., None, :]  # (..., 1, q - k)
    rho = xp.hypot(xp.abs(t), long * wide)
    return xp.reshape(rho, (*rho.shape[:-2], rho.shape[-2] * rho.shape[-1]))


def _pivots(r, k, *, xp):
    """The sizes (..., k) of the first diagonal entries, 1 for those that are rounding; and which are not."""
    size = xp.abs(diagonal_of(r[..., :k, :k], xp=xp))
    floor = rounding(r.dtype, 1, xp=xp) * max(r.shape[-2:]) ** 0.5 * xp.max(size, axis=-1, keepdims=True) if k else 0.0
    kept = size > floor
    return xp.where(kept, size, 1.0), kept


def _cleaned(r, k, kept, *, xp):
    """R_11 with rows of the identity where rounding was."""
    return xp.where(kept[..., :, None], r[..., :k, :k], xp.eye(k, dtype=r.dtype, device=r.device))
