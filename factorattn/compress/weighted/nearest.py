"""The matrix of rank r that is nearest to W when errors are weighted: the part that ways to weight have in common.

    |(W - F) S|_F is least for F = U_r U_r^H W,    U diag(s) V^H = W S

For (W S)_r = U_r U_r^H W S is the nearest matrix of rank r to W S (Eckart and Young 1936), and F S is that matrix. S is
never inverted: where it can be, F = (W S)_r S^-1.
"""

from typing import Any

from factorattn.factor.adjoint import adjoint
from factorattn.factor.door import frobenius
from factorattn.factor.factored import Product

__all__ = ["nearest_weighted"]


def nearest_weighted(w: Any, ws: Any, rank: int, *, xp: Any) -> Product:
    """Factors of the matrix of `rank` that is nearest to w (..., p, q) in the norm weighted by S, from ws = w S.

    Directions that S does not see, or w S has no more of, cost nothing: what is left of the rank there goes to the
    leading singular vectors of what is left of w. So a rank that is that of w, or more, gives w.
    """
    # S is (..., q, k). Left singular vectors of zero singular values are noise, and are not kept.
    u, s, _ = xp.linalg.svd(ws, full_matrices=False)  # (..., p, k), (..., k)
    eps = float(xp.finfo(s.dtype).eps)
    largest = s[..., :1] if s.shape[-1] else s
    kept = s > largest * eps * max(*ws.shape[-2:], 1)  # (..., k): some first ones
    u = xp.where(kept[..., None, :], u, xp.zeros_like(u))
    a = adjoint(u, xp=xp) @ w  # (..., k, q)
    rest = w - u @ a  # what the directions that count leave of w
    more, t, vt = xp.linalg.svd(rest, full_matrices=False)  # (..., p, l), (..., l), (..., l, q)
    b = xp.concat((u, more), axis=-1)
    a = xp.concat((a, t[..., :, None] * vt), axis=-2)
    every = xp.concat((kept, xp.ones(t.shape, dtype=xp.bool, device=t.device)), axis=-1)
    first = xp.argsort(xp.astype(~every, xp.int32), axis=-1, stable=True)[..., : min(rank, *w.shape[-2:])]  # (..., r)
    b = xp.take_along_axis(b, xp.broadcast_to(first[..., None, :], (*b.shape[:-1], first.shape[-1])), axis=-1)
    a = xp.take_along_axis(a, xp.broadcast_to(first[..., :, None], (*first.shape, a.shape[-1])), axis=-2)
    return Product((b, a), error_bound=frobenius(w - b @ a, xp=xp))
