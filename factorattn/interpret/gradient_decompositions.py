"""Derivatives of matrix decompositions: singular values, eigenvalues, QR and Cholesky.

With X' for the cotangent of X (the gradient of a real number by it), X^H for the adjoint, W(M) = M - M^H, and tri(M)
for the lower triangle of M with half of its diagonal:

    svd       A' = U [ (W_u + W_v) / 2(s_j - s_i) + (W_u - W_v) / 2(s_j + s_i) + diag(s') ] V^H
                   + (I - U U^H) U' S^-1 V^H + U S^-1 V'^H (I - V V^H),      W_u = W(U^H U'),  W_v = W(V^H V')
    eigh      A' = V [ W(V^H V') / 2(w_j - w_i) + diag(w') ] V^H
    qr        A' = [ U' - Q Q^H U' + Q (R' R^H + tri(W(Q^H U' - R' R^H))) ] R^-H          with U' the cotangent of Q
    cholesky  A' = L^-H (P + P^H) L^-1 / 2,                                               P = tri(L^H L')

Terms in which two singular values or eigenvalues agree to rounding are zero: right for functions that do not depend on
how vectors were chosen, and no other function of them has a derivative there. The same goes for signs, or phases, of
vectors; and for vectors whose singular value is zero. Hermitian matrices stay so: derivatives of `eigh` and `cholesky`
are those along Hermitian directions.
"""

from collections.abc import Callable
from typing import Any

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


def _apart(values, largest, size, xp):
    """1 / (x_j - x_i) in row i and column j, zero where the two agree to the rounding of the largest."""
    gap = values[..., None, :] - values[..., :, None]
    return _inverse(gap, xp.abs(gap) > size * xp.finfo(values.dtype).eps * largest[..., None], xp)


def _svd(xp, x, /, *, full_matrices=True):
    u, s, vt = xp.linalg.svd(x, full_matrices=full_matrices)
    p, q = x.shape[-2:]
    k = min(p, q)

    def pull(gs, xp):
        gu, gv = conj(gs[0], xp), gs[2].mT
        v = adjoint(vt, xp)
        by_u, by_v = adjoint(u, xp) @ gu, vt @ gv
        of_u, of_v = _skew(by_u, xp), _skew(by_v, xp)
        both, one = (f(of_u[..., :k, :k], of_v[..., :k, :k]) for f in (xp.add, xp.subtract))
        total = s[..., None, :] + s[..., :, None]
        inner = 0.5 * (both * _apart(s, s[..., :1], max(p, q), xp) + one * _inverse(total, total > 0, xp))
        out = u[..., :, :k] @ (inner + diagonal_matrix(gs[1], xp)) @ vt[..., :k, :]
        inverse = _inverse(s, s > 0, xp)[..., None, :]
        if p > k:  # what moves the columns of U out of their space
            beyond = u[..., :, k:] @ of_u[..., k:, :k] if full_matrices else gu - u @ by_u
            out = out + (beyond * inverse) @ vt[..., :k, :]
        if q > k:
            beyond = v[..., :, k:] @ of_v[..., k:, :k] if full_matrices else gv - v @ by_v
            out = out + u[..., :, :k] @ adjoint(beyond * inverse, xp)
        return [conj(out, xp)]

    return (u, s, vt), pull


def _svdvals(xp, x, /):
    u, s, vt = xp.linalg.svd(x, full_matrices=False)
    return s, (lambda g, xp: conj((u * g[..., None, :]) @ vt, xp),)


def _eigh(xp, x, /):
    w, v = xp.linalg.eigh(x)

    def pull(gs, xp):
        largest = xp.maximum(xp.abs(w[..., :1]), xp.abs(w[..., -1:]))
        turned = _skew(adjoint(v, xp) @ conj(gs[1], xp), xp)
        inner = 0.5 * turned * _apart(w, largest, w.shape[-1], xp) + diagonal_matrix(gs[0], xp)
        return [conj(v @ inner @ adjoint(v, xp), xp)]

    return (w, v), pull


def _eigvalsh(xp, x, /):
    w, v = xp.linalg.eigh(x)
    return w, (lambda g, xp: conj((v * g[..., None, :]) @ adjoint(v, xp), xp),)


def _qr(xp, x, /, *, mode="reduced"):
    if mode != "reduced":
        raise NotImplementedError(f"gradient has no rule for linalg.qr with mode={mode!r}")
    q, r = xp.linalg.qr(x)
    p, k = q.shape[-2:]
    wide = x[..., :, k:]  # columns after the square part: R there is Q^H times them

    def pull(gs, xp):
        gq, gr = conj(gs[0], xp), conj(gs[1], xp)
        square, gr, beyond = r[..., :, :k], gr[..., :, :k], gr[..., :, k:]
        if wide.shape[-1]:
            gq = gq + wide @ adjoint(beyond, xp)
        by_r, by_q = gr @ adjoint(square, xp), adjoint(q, xp) @ gq
        out = q @ (by_r + _half_lower(_skew(by_q - by_r, xp), xp))
        if p > k:
            out = out + (gq - q @ by_q)
        out = adjoint(xp.linalg.solve(square, adjoint(out, xp)), xp)
        return [conj(xp.concat([out, q @ beyond], axis=-1) if wide.shape[-1] else out, xp)]

    return (q, r), pull


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
