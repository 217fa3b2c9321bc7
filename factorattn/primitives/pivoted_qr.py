"""QR with column pivoting by Householder reflections (Businger and Golub 1965), stopped after some steps.

    A P = Q R + E,   x = E_:j, j = argmax_j |E_:j|,   v = x + (x_i / |x_i|) |x| e_i,   E -> E - 2 v (v^H E) / |v|^2

In step i the largest remaining column is reflected onto axis i. Norms are taken anew in each step: brought up to date
by subtraction they lose their digits.
"""

from typing import Any

from array_api_compat import array_namespace

from factorattn.primitives.dispatch import primitive

__all__ = ["pivoted_qr"]


@primitive(numpy="pivoted_qr_scipy")
def pivoted_qr(a: Any, steps: int) -> tuple[Any, Any, Any, Any]:
    """The first steps of the QR factorization with column pivoting.

    Parameters
    ----------
    a : array, shape (..., p, q)
        Real or complex, of entries whose squares neither overflow nor vanish.
    steps : int
        Their number k, in 0 .. min(p, q).

    Returns
    -------
    q : array, shape (..., p, k)
        Orthonormal columns, also where the rank of `a` is below k.
    r : array, shape (..., k, q)
        Upper triangular; the absolute values of its diagonal fall.
    order : integer array, shape (..., q)
        The columns as they were taken, then the others: ``a[:, order]`` is q r and what remains.
    rest : array, shape (...)
        The Frobenius norm of what remains.

    Notes
    -----
    Which of two columns of one norm is taken, and the order of those that are not, are the kernel's own.
    """
    xp = array_namespace(a)
    *batch, p, n = a.shape
    row = xp.arange(p, device=a.device)[:, None]  # (p, 1)
    column = xp.arange(n, device=a.device)  # (q,)
    turn = xp.broadcast_to(column + steps, (*batch, n))  # when a column is taken; those that are not come last
    work, mirrors = a, []
    for i in range(steps):
        rest = xp.where(row >= i, work, 0.0)
        free = xp.where(turn >= steps, xp.sum(xp.square(xp.abs(rest)), axis=-2), -1.0)  # (..., q)
        pivot = xp.argmax(free, axis=-1, keepdims=True)  # (..., 1)
        mirror = _mirror(xp.take_along_axis(rest, pivot[..., None, :], axis=-1), i, row == i, xp=xp)
        work = _reflect(work, mirror, xp=xp)
        mirrors.append(mirror)
        turn = xp.where(column == pivot, i, turn)
    q = xp.eye(p, steps, dtype=a.dtype, device=a.device)
    for mirror in reversed(mirrors):
        q = _reflect(q, mirror, xp=xp)
    order = xp.argsort(turn, axis=-1)
    r = xp.triu(xp.take_along_axis(work[..., :steps, :], order[..., None, :], axis=-1))
    left = xp.where((row >= steps) & (turn >= steps)[..., None, :], work, 0.0)
    return xp.broadcast_to(q, (*batch, p, steps)), r, order, xp.linalg.vector_norm(left, axis=(-2, -1))


def _mirror(x, i, here, *, xp):
    """The unit vector (..., p, 1) whose reflection takes x, zero above row i, to that row; zero if x is.

    Of a multiple of x it is the same; so x is divided by its largest entry, whose square would cost digits if tiny.
    """
    largest = xp.max(xp.abs(x), axis=-2, keepdims=True)  # (..., 1, 1)
    x = x / xp.where(largest > 0, largest, 1.0)
    head, length = x[..., i : i + 1, :], xp.linalg.vector_norm(x, axis=-2, keepdims=True)  # (..., 1, 1)
    size = xp.abs(head)
    sign = xp.where(size > 0, head / xp.where(size > 0, size, 1.0), 1.0)
    double = 2 * length * (length + size)  # |v|^2
    return (x + xp.where(here, sign * length, 0.0)) / xp.sqrt(xp.where(double > 0, double, 1.0))


def _reflect(x, mirror, *, xp):
    """(I - 2 v v^H) x for a unit vector v (..., p, 1)."""
    adjoint = xp.conj(mirror.mT) if xp.isdtype(mirror.dtype, "complex floating") else mirror.mT
    return x - 2 * mirror @ (adjoint @ x)
