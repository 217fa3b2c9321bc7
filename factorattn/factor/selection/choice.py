"""Ways to choose a few rows and columns of a matrix: by pivots, by singular vectors, by chance.

    adaptive   drawn one by one, in proportion to the squared norms of what is left of the columns
    pivoted    the pivots of QR with column pivoting: the largest of these norms
    deim       j_i = argmax |v_i - V_(i-1) c|, with c such that nothing is left at j_1 .. j_(i-1)
    leverage   drawn, the chance of j in proportion to sum_i |v_ji|^2
    norm       drawn, in proportion to |a_j|^2
    uniform    drawn, all alike

What is drawn is drawn without replacement.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from factorattn.factor.adjoint import adjoint
from factorattn.factor.lowrank.truncated_svd import leading_triplets
from factorattn.factor.selection.pieces import columns_of, rounding, rows_of
from factorattn.primitives.pivoted_qr import pivoted_qr

__all__ = ["CHOICES", "adaptive", "deim", "drawn", "greedy_pivot", "leverage", "random_pivot"]


def deim(v: Any, *, xp: Any) -> Any:
    """As many rows of v (..., p, k) as it has columns, by the discrete empirical interpolation method: (..., k).

    This is Gaussian elimination with row pivoting: what is left of each vector where those before it are interpolated.
    """
    *batch, p, k = v.shape
    row = xp.arange(p, device=v.device)
    free = xp.ones((*batch, p), dtype=xp.bool, device=v.device)
    picks = []
    for i in range(k):
        left = v[..., :, i]  # (..., p)
        pick = xp.argmax(xp.where(free, xp.abs(left), -1.0), axis=-1, keepdims=True)  # (..., 1)
        picks.append(pick)
        free = free & (row != pick)
        head = rows_of(v, pick, xp=xp)  # (..., 1, k)
        v = v - left[..., :, None] * (head / _or_one(head[..., :, i : i + 1], xp=xp))
    return _joined(picks, batch, v.device, xp=xp)


def leverage(v: Any, *, xp: Any) -> Any:
    """The leverage scores of the rows of v (..., p, k) with orthonormal columns: sum_i |v_ji|^2, in 0 .. 1."""
    return xp.sum(xp.square(xp.abs(v)), axis=-1)


def drawn(weights: Any, count: int, rng: np.random.Generator, *, xp: Any) -> Any:
    """Draw positions without replacement, each in proportion to its weight among those that are left.

    The largest log w_j + g_j, for independent g_j of the Gumbel distribution, are such a draw (Yellott 1977). Without
    weights above zero that are left, those of weight zero follow, in order.

    Parameters
    ----------
    weights : array, shape (..., n)
        Not negative.
    count : int
    rng : Generator

    Returns
    -------
    positions : integer array, shape (..., count)
    """
    gumbel = xp.asarray(rng.gumbel(size=weights.shape), dtype=weights.dtype, device=weights.device)
    some = weights > 0
    key = xp.where(some, xp.log(xp.where(some, weights, 1.0)) + gumbel, -xp.inf)
    return xp.argsort(key, axis=-1, descending=True)[..., :count]


def adaptive(a: Any, count: int, rng: np.random.Generator, *, xp: Any) -> Any:
    """Columns (..., count) of a (..., p, q): randomly pivoted QR, which is randomly pivoted Cholesky of A^H A."""
    *batch, p, n = a.shape
    column = xp.arange(n, device=a.device)
    free = xp.ones((*batch, n), dtype=xp.bool, device=a.device)
    squares = xp.sum(xp.square(xp.abs(a)), axis=-2)  # (..., q)
    chances = xp.asarray(rng.random((*batch, count)), dtype=squares.dtype, device=a.device)
    floor = rounding(a.dtype, p, xp=xp) ** 2 * squares
    picks = []
    for i in range(count):
        pick = random_pivot(xp.where(free & (squares > floor), squares, 0.0), free, chances[..., i : i + 1], xp=xp)
        picks.append(pick)
        free = free & (column != pick)
        taken = columns_of(a, pick, xp=xp)  # (..., p, 1)
        taken = taken / _or_one(xp.linalg.vector_norm(taken, axis=-2, keepdims=True), xp=xp)
        a = a - taken @ (adjoint(taken, xp=xp) @ a)
        squares = xp.sum(xp.square(xp.abs(a)), axis=-2)
    return _joined(picks, batch, a.device, xp=xp)


def greedy_pivot(weights: Any, free: Any, chance: Any, *, xp: Any) -> Any:
    """The place (..., 1) of the largest of weights (..., n) that is free; of zeros, the first free one."""
    return xp.argmax(xp.where(free, weights, -1.0), axis=-1, keepdims=True)


def random_pivot(weights: Any, free: Any, chance: Any, *, xp: Any) -> Any:
    """The first place (..., 1) where the running sum of the weights is above a part `chance` (..., 1) of all of it."""
    running = xp.cumulative_sum(weights, axis=-1)
    above = running > chance * running[..., -1:]
    first = xp.argmax(xp.astype(above, xp.int64), axis=-1, keepdims=True)
    some = xp.any(above, axis=-1, keepdims=True)  # none where all weights are zero, or the chance was rounded to 1
    return xp.where(some, first, greedy_pivot(weights, free, chance, xp=xp))


def _adaptive(a, k, rng, *, xp):
    """Columns of A, then rows of these columns."""
    columns = adaptive(a, k, rng, xp=xp)
    return adaptive(adjoint(columns_of(a, columns, xp=xp), xp=xp), k, rng, xp=xp), columns


def _pivoted(a, k, rng, *, xp):
    """Columns by pivots of A, then rows by pivots of these columns, which is cheaper than of all."""
    columns = pivoted_qr(a, k)[2][..., :k]
    return pivoted_qr(adjoint(columns_of(a, columns, xp=xp), xp=xp), k)[2][..., :k], columns


def _deim(a, k, rng, *, xp):
    u, _, vt = leading_triplets(a, k, xp=xp)
    return deim(u, xp=xp), deim(vt.mT, xp=xp)


def _leverage(a, k, rng, *, xp):
    u, _, vt = leading_triplets(a, k, xp=xp)
    return tuple(drawn(leverage(x, xp=xp), k, rng, xp=xp) for x in (u, vt.mT))


def _norm(a, k, rng, *, xp):
    squares = xp.square(xp.abs(a))
    return tuple(drawn(xp.sum(squares, axis=axis), k, rng, xp=xp) for axis in (-1, -2))


def _uniform(a, k, rng, *, xp):
    *batch, p, q = a.shape
    dtype = xp.abs(a[..., :0, :0]).dtype
    return tuple(drawn(xp.ones((*batch, n), dtype=dtype, device=a.device), k, rng, xp=xp) for n in (p, q))


CHOICES: dict[str, Callable] = {
    "adaptive": _adaptive, "pivoted": _pivoted, "deim": _deim,
    "leverage": _leverage, "norm": _norm, "uniform": _uniform,
}  # fmt: skip


def _joined(picks, batch, device, *, xp):
    """Positions (..., 1), side by side."""
    return xp.concat(picks, axis=-1) if picks else xp.zeros((*batch, 0), dtype=xp.int64, device=device)


def _or_one(x, *, xp):
    return xp.where(xp.abs(x) > 0, x, 1.0)
