"""Derivatives of ``xp.linalg``: products, systems of equations, inverses, determinants, and the table of all.

With g for the cotangent of the result, which for these is multiplied by d out / d x without a conjugate:

    solve   X = A^-1 B        b' = A^-T g,   a' = -b' X^T
    inv     X = A^-1          a' = -X^T g X^T
    det     d = det A         a' = g d A^-T
    slogdet log |det A|       a' = g A^-T
    pinv    P = A^+           dP = -P dA P + P P^H dA^H (I - A P) + (I - P A) dA^H P^H P
"""

import operator
from collections.abc import Callable
from typing import Any

from factorattn.interpret.gradient_decompositions import DECOMPOSITIONS, adjoint, conj
from factorattn.interpret.gradient_norms import NORMS
from factorattn.interpret.gradient_shapes import SHAPES, cast, like, onto
from factorattn.interpret.gradient_sums import SUMS

__all__ = ["LINALG"]


def _solve(xp, a, b, /):
    """One more system serves both pulls."""
    x, left, right = xp.linalg.solve(a, b), like(a), like(b)
    vector = b.ndim == 1
    column = x[..., None] if vector else x  # (..., n, r)

    def pull(g, xp):
        found = xp.linalg.solve(a.mT, g[..., None] if vector else g)
        by_left = onto(-(found @ column.mT), left, xp=xp)
        return [by_left, onto(found[..., 0] if vector else found, right, xp=xp)]

    return x, pull


def _inv(xp, x, /):
    inverse = xp.linalg.inv(x)
    return inverse, (lambda g, xp: -(inverse.mT @ g @ inverse.mT),)


def _pinv(xp, x, /, *, rtol=None):
    """The rank does not change nearby: singular values that are cut off stay so."""
    if rtol is not None:
        return _cut_pinv(xp, x, rtol)
    inverse = xp.linalg.pinv(x)

    def pull(g, xp):
        g, turned = conj(g, xp), adjoint(inverse, xp)
        back = adjoint(g, xp)
        left = (back - x @ (inverse @ back)) @ inverse @ turned
        right = turned @ inverse @ (back - (back @ inverse) @ x)
        return conj(left + right - turned @ g @ turned, xp)

    return inverse, (pull,)


def _cut_pinv(xp, x, rtol):
    """The pseudo-inverse of the leading part alone, whatever the size of the rest."""
    (u, s, vt), by_triplets = DECOMPOSITIONS["svd"](xp, x, full_matrices=False)
    kept = s > xp.asarray(rtol, dtype=s.dtype, device=s.device)[..., None] * s[..., :1]
    inverse = xp.where(kept, 1 / xp.where(kept, s, 1), 0)
    scaled = u * inverse[..., None, :]

    def pull(g, xp):
        g = conj(g, xp)
        by_v = g @ scaled  # (..., q, k)
        by_u = adjoint(g, xp) @ (adjoint(vt, xp) * inverse[..., None, :])
        by_s = -xp.sum(cast(vt.mT * by_v, s.dtype, xp=xp), axis=-2) * inverse
        return by_triplets((conj(by_u, xp), by_s, by_v.mT), xp)[0]

    return adjoint(vt, xp) @ adjoint(scaled, xp), (pull,)


def _det(xp, x, /):
    """Of matrices that have an inverse: one that is singular to the last bit is refused by the library."""
    out = xp.linalg.det(x)
    return out, (lambda g, xp: (g * out)[..., None, None] * xp.linalg.inv(x).mT,)


def _slogdet(xp, x, /):
    """The sign of a real determinant is constant; of a complex one it turns with the imaginary part of log det."""
    sign, _ = found = xp.linalg.slogdet(x)

    def pull(gs, xp):
        g = gs[1]
        if xp.isdtype(sign.dtype, "complex floating"):
            g = g - 1j * xp.real(1j * gs[0] * sign)
        return [g[..., None, None] * xp.linalg.inv(x).mT]

    return found, pull


def _matrix_power(xp, x, n, /):
    """By the base: the sum over k < n of (X^T)^k g (X^T)^(n-1-k)."""
    n = operator.index(n)
    base, by_base = (x, None) if n >= 0 else _inv(xp, x)

    def pull(g, xp):
        if n == 0:
            return xp.zeros_like(g)
        turned, power, total = base.mT, g, g
        for _ in range(abs(n) - 1):
            power = turned @ power
            total = total @ turned + power
        return total if by_base is None else by_base[0](total, xp)

    return xp.linalg.matrix_power(x, n), (pull,)


def _trace(xp, x, /, *, offset=0, dtype=None):
    (p, q), before, device = x.shape[-2:], x.dtype, x.device

    def pull(g, xp):
        ones = xp.eye(p, q, k=offset, dtype=before, device=device)
        return cast(g, before, xp=xp)[..., None, None] * ones

    return xp.linalg.trace(x, offset=offset, dtype=dtype), (pull,)


def _diagonal(xp, x, /, *, offset=0):
    shape, device = tuple(x.shape), x.device

    def pull(g, xp):
        *batch, entries = g.shape
        p, q = shape[-2:]
        gap = xp.zeros((*batch, (p if offset >= 0 else q) - entries), dtype=g.dtype, device=device)
        filled = xp.concat([g, gap], axis=-1)
        filled = filled[..., :, None] if offset >= 0 else filled[..., None, :]
        return filled * xp.eye(p, q, k=offset, dtype=g.dtype, device=device)

    return xp.linalg.diagonal(x, offset=offset), (pull,)


def _outer(xp, x, y, /):
    a, b = x.dtype, y.dtype
    return xp.linalg.outer(x, y), (lambda g, xp: cast(g @ y, a, xp=xp), lambda g, xp: cast(x @ g, b, xp=xp))


def _cross(xp, x, y, /, *, axis=-1):
    a, b = like(x), like(y)

    def by_left(g, xp):
        return onto(xp.linalg.cross(*xp.broadcast_arrays(y, g), axis=axis), a, xp=xp)

    def by_right(g, xp):
        return onto(xp.linalg.cross(*xp.broadcast_arrays(g, x), axis=axis), b, xp=xp)

    return xp.linalg.cross(x, y, axis=axis), (by_left, by_right)


def _matrix_rank(xp, x, /, *, rtol=None):
    return xp.linalg.matrix_rank(x, rtol=rtol), (lambda g, xp: None,)


LINALG: dict[str, Callable[..., Any]] = {
    **DECOMPOSITIONS,
    **NORMS,
    "solve": _solve,
    "inv": _inv,
    "pinv": _pinv,
    "det": _det,
    "slogdet": _slogdet,
    "matrix_power": _matrix_power,
    "matrix_rank": _matrix_rank,
    "trace": _trace,
    "diagonal": _diagonal,
    "outer": _outer,
    "cross": _cross,
    **{name: SUMS[name] for name in ("matmul", "tensordot", "vecdot")},
    "matrix_transpose": SHAPES["matrix_transpose"],
}
