"""Derivatives of matrix decompositions: singular values, eigenvalues, QR and Cholesky.

With X' for the cotangent of X (the gradient of a real number by it), X^H for the adjoint, W(M) = M - M^H, and tri(M)
for the lower triangle of M with half of its diagonal:

    svd       A' = U [ (W_u + W_v) / 2(s_j - s_i) + (W_u - W_v) / 2(s_j + s_i) + diag(s') ] V^H
                   + (I - U U^H) U' S^-1 V^H + U S^-1 V'^H (I - V V^H),      W_u = W(U^H U'),  W_v = W(V^H V')
    eigh      A' = V [ W(V^H V') / 2(w_j - w_i) + diag(w') ] V^H
    qr        A' = [ U' - Q Q^H U' + Q (R' R^H + tri(W(Q^H U' - R' R^H))) ] R^-H          with U' the cotangent of Q
    cholesky  A' = L^-H (P + P^H) L^-1 / 2,                                               P = tri(L^H L')

Where two singular values or eigenvalues agree to rounding, their vectors have no derivative: what depends on such a
pair of vectors is NaN. It cannot be zero: U f(S) V^H, a smooth function of A, needs f'(s) in that place, of which
cotangents tell nothing. Values themselves, and functions of them that treat equal ones alike, keep their derivatives. A
singular value of exactly zero counts as one whose vectors are not used. Nor has a column a direction that is rounding
beside the columns before it: with such a one, derivatives of Q and R are NaN.

Signs and phases of vectors are held as they are. Hermitian matrices stay so: derivatives of `eigh` and `cholesky` are
those along Hermitian directions.
"""

import math
from collections.abc import Callable
from typing import Any

from factorattn.interpret.gradient_array import Array

__all__ = ["DECOMPOSITIONS", "adjoint", "conj", "diagonal_matrix"]


def conj(x: Any, xp: Any) -> Any:
    """The complex conjugate; real arrays themselves."""
    return xp.conj(x) if xp.isdtype(x.dtype, "complex floating") else x


def adjoint(x: Any, xp: Any) -> Any:
    """The conjugate transpose of matrices."""
    return conj(x, xp).mT


def diagonal_matrix(x: Any, xp: Any) -> Any:
    """diag(x), (..., n, n), for x (..., n)."""
    return x[..., :, None] * xp.eye(x.shape[-1], dtype=x.dtype, device=x.device)


def _skew(m, xp):
    return m - adjoint(m, xp)


def _half_lower(m, xp):
    """The lower triangle with half of the diagonal."""
    return 0.5 * (xp.tril(m) + xp.tril(m, k=-1))


def _inverse(x, kept, xp):
    """1 / x, and zero where it is not kept."""
    return xp.where(kept, 1 / xp.where(kept, x, 1), 0)


def _apart(values, largest, size, cotangents, xp):
    """1 / (x_j - x_i) in row i and column j; where both agree to the rounding of the largest, NaN, or 0 if unused."""
    gap = values[..., None, :] - values[..., :, None]
    apart = xp.abs(gap) > size * xp.finfo(values.dtype).eps * largest[..., None]
    same = xp.eye(values.shape[-1], dtype=values.dtype, device=values.device) > 0
    tied = xp.where(same | _unused(cotangents, xp), xp.zeros_like(gap), math.nan)
    return xp.where(apart, 1 / xp.where(apart, gap, 1), tied)


def _unused(cotangents, xp):
    """Which pairs of vectors have cotangents of zero for one another.

    Where all are zero and may yet become something else, they are only a place for tangents: used.
    """
    used = cotangents[0] != 0
    for m in cotangents[1:]:
        used = used | (m != 0)
    unused = ~(used | used.mT)
    open_places = any(isinstance(m, Array) and m.level for m in cotangents)
    return unused & xp.any(used) if open_places else unused


def _svd(xp, x, /, *, full_matrices=True):
    u, s, vt = found = xp.linalg.svd(x, full_matrices=full_matrices)
    p, q = x.shape[-2:]
    k = min(p, q)

    def pull(gs, xp):
        gu, gv, v = conj(gs[0], xp), gs[2].mT, adjoint(vt, xp)
        by_u, by_v = adjoint(u, xp) @ gu, vt @ gv
        inner = _among(s, by_u[..., :k, :k], by_v[..., :k, :k], max(p, q), xp) + diagonal_matrix(gs[1], xp)
        out = u[..., :, :k] @ inner @ vt[..., :k, :]
        inverse = _inverse(s, s > 0, xp)[..., None, :]
        if p > k:  # what takes the columns of U out of their space
            beyond = u[..., :, k:] @ _skew(by_u, xp)[..., k:, :k] if full_matrices else gu - u @ by_u
            out = out + (beyond * inverse) @ vt[..., :k, :]
        if q > k:
            beyond = v[..., :, k:] @ _skew(by_v, xp)[..., k:, :k] if full_matrices else gv - v @ by_v
            out = out + u[..., :, :k] @ adjoint(beyond * inverse, xp)
        return [conj(out, xp)]

    return found, pull


def _among(s, by_u, by_v, size, xp):
    """What turns singular vectors among themselves: the bracket without s'. Of a phase, half is in U and half in V."""
    of_u, of_v = _skew(by_u, xp), _skew(by_v, xp)
    apart = _apart(s, s[..., :1], size, (by_u, by_v), xp)
    total = s[..., None, :] + s[..., :, None]
    return 0.5 * ((of_u + of_v) * apart + (of_u - of_v) * _inverse(total, total > 0, xp))


def _svdvals(xp, x, /):
    u, s, vt = xp.linalg.svd(x, full_matrices=False)
    return s, (lambda g, xp: conj((u * g[..., None, :]) @ vt, xp),)


def _eigh(xp, x, /):
    w, v = found = xp.linalg.eigh(x)

    def pull(gs, xp):
        largest = xp.maximum(xp.abs(w[..., :1]), xp.abs(w[..., -1:]))
        by_v = adjoint(v, xp) @ conj(gs[1], xp)
        inner = 0.5 * _skew(by_v, xp) * _apart(w, largest, w.shape[-1], (by_v,), xp) + diagonal_matrix(gs[0], xp)
        return [conj(v @ inner @ adjoint(v, xp), xp)]

    return found, pull


def _eigvalsh(xp, x, /):
    w, v = xp.linalg.eigh(x)
    return w, (lambda g, xp: conj((v * g[..., None, :]) @ adjoint(v, xp), xp),)


def _qr(xp, x, /, *, mode="reduced"):
    if mode != "reduced":
        raise NotImplementedError(f"gradient has no rule for linalg.qr with mode={mode!r}")
    q, r = found = xp.linalg.qr(x)
    p, k = q.shape[-2:]
    wide = x[..., :, k:]  # columns after the square part: R there is Q^H times them

    def pull(gs, xp):
        gq, gr = conj(gs[0], xp), conj(gs[1], xp)
        square, gr, beyond = _told(r[..., :, :k], max(p, wide.shape[-1] + k), xp), gr[..., :, :k], gr[..., :, k:]
        if wide.shape[-1]:
            gq = gq + wide @ adjoint(beyond, xp)
        by_r, by_q = gr @ adjoint(square, xp), adjoint(q, xp) @ gq
        out = q @ (by_r + _half_lower(_skew(by_q - by_r, xp), xp))
        if p > k:
            out = out + (gq - q @ by_q)
        out = adjoint(xp.linalg.solve(square, adjoint(out, xp)), xp)
        return [conj(xp.concat([out, q @ beyond], axis=-1) if wide.shape[-1] else out, xp)]

    return found, pull


def _told(r, size, xp):
    """A triangle in which NaN stands for rows of rounding."""
    if 0 in r.shape:
        return r
    lengths = xp.sum(xp.abs(r) * xp.eye(r.shape[-1], dtype=xp.abs(r).dtype, device=r.device), axis=-1, keepdims=True)
    largest = xp.max(lengths, axis=-2, keepdims=True)
    return xp.where(lengths > size * xp.finfo(lengths.dtype).eps * largest, r, math.nan)


def _cholesky(xp, x, /, *, upper=False):
    out = xp.linalg.cholesky(x, upper=upper)

    def pull(g, xp):
        g = conj(g, xp)
        top, g = (out, adjoint(g, xp)) if upper else (adjoint(out, xp), g)  # L^H, L'
        inner = _half_lower(top @ g, xp)
        half = xp.linalg.solve(top, inner + adjoint(inner, xp))
        return conj(0.5 * xp.linalg.solve(top, adjoint(half, xp)), xp)

    return out, (pull,)


DECOMPOSITIONS: dict[str, Callable[..., Any]] = {
    "svd": _svd,
    "svdvals": _svdvals,
    "eigh": _eigh,
    "eigvalsh": _eigvalsh,
    "qr": _qr,
    "cholesky": _cholesky,
}
