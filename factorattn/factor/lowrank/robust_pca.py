"""Principal component pursuit: a matrix as the sum of one of low rank and one with few entries (Candes et al. 2011).

    minimise |L|_* + weight |S|_1    where    L + S = A

|L|_* is the sum of the singular values of L, and |S|_1 that of the absolute values of the entries of S. With the
multiplier Y, and shrink_t(x) = x max(0, 1 - t / |x|) for entries or singular values, each round is

    L = shrink_(1/mu) of the singular values of (A - S + Y / mu)
    S = shrink_(weight/mu) of the entries of (A - L + Y / mu)
    Y = Y + mu (A - L - S)
"""

import math
from typing import Any

from factorattn.catalogue import Factorization
from factorattn.factor.door import admit, unit_scale
from factorattn.factor.factored import SVD, Sparse, Sum
from factorattn.scalars import positive, real

__all__ = ["robust_pca"]

INPUTS = "a: p q, iterations = x"


@Factorization(
    inputs=INPUTS,
    time="x*p*q**2 + x*q**3",
    memory="p*q + q**2",
    exact="never",
    paper="candes2011",
)
def robust_pca(a: Any, iterations: int = 1000, *, weight: float | None = None, tolerance: float = 1e-7) -> Sum:
    """Split a matrix into one of low rank and a sparse one.

    Parameters
    ----------
    a : array, shape (p, q)
        Real or complex.
    iterations : int
        The most rounds, x.
    weight : float > 0, optional
        What the entries of the sparse part weigh against the singular values of the other; 1 / sqrt(max(p, q)) by
        default, with which the theorem holds.
    tolerance : float, >= 0
        Rounds end when the sum differs from `a` by no more than this, relative to the norm of `a` (Frobenius), or by
        no more than rounding: 4 eps, which in single precision is above the default.

    Returns
    -------
    parts : Sum
        ``terms`` are the part of low rank, an `SVD`, and the other, a `Sparse`. The ranks are what comes out.
        ``error_bound`` is the distance of the sum from `a`; the rounds ended in time if it is no more than `tolerance`
        times the norm of `a`.

    Raises
    ------
    ValueError
        If `a` has not two axes or holds NaN or infinity, or an option is out of its range.
    TypeError
        If `a` is not a floating array, or an option is no number.

    Notes
    -----
    Cost is declared for p >= q and all rounds: each takes one singular value decomposition. It reads values: there is
    no counting, tracing or compiling it.

    The penalty mu = p q / (4 |A|_1) stays as it is, so that the rounds lead to the minimum. The inexact method of [2]_
    lets it grow by a factor in each round: the sum comes out sooner, the parts may stay far from the minimum.

    tensorly's ``robust_pca`` weighs all unfoldings of a tensor, so that for a matrix it has two copies of the part of
    low rank, and `reg_E` 1 by default, with which nothing is found.

    References
    ----------
    .. [1] Candes, Li, Ma and Wright, "Robust Principal Component Analysis?", Journal of the ACM 58(3), 2011,
       article 11. arXiv:0912.3599. Algorithm 1.
    .. [2] Lin, Chen and Ma, "The Augmented Lagrange Multiplier Method for Exact Recovery of Corrupted Low-Rank
       Matrices", 2010. arXiv:1009.5055
    """
    xp, size, (a,) = admit(INPUTS, a=a, iterations=iterations)
    weight = 1 / math.sqrt(max(size["p"], size["q"], 1)) if weight is None else positive(weight=weight)
    tolerance = real(tolerance=tolerance)
    if tolerance < 0:
        raise ValueError(f"tolerance must be 0 or more, got {tolerance!r}")
    eps = float(xp.finfo(a.dtype).eps)
    scale = unit_scale(a, xp=xp)  # (1, 1)
    a = a / scale
    norm = xp.linalg.vector_norm(a)
    total = xp.sum(xp.abs(a))
    mu = xp.where(total > 0, a.shape[0] * a.shape[1] / (4 * xp.where(total > 0, total, 1.0)), 1.0)
    sparse = y = xp.zeros_like(a)
    for _ in range(size["x"]):
        u, s, vt, low = shrink_values(a - sparse + y / mu, 1 / mu, xp=xp)
        sparse = shrink_entries(a - low + y / mu, weight / mu, xp=xp)
        rest = a - low - sparse
        y = y + mu * rest
        if bool(xp.linalg.vector_norm(rest) <= max(tolerance, 4 * eps) * norm):
            break
    error = xp.hypot(xp.linalg.vector_norm(rest), eps * norm) * scale[0, 0]
    return Sum((SVD(u, s * scale[0, :], vt), Sparse(sparse * scale)), error_bound=error)


def shrink_values(a: Any, by: Any, *, xp: Any) -> tuple[Any, Any, Any, Any]:
    """The triplets u, s, vt that remain when singular values shrink, those of zero left out; and their matrix."""
    u, s, vt = xp.linalg.svd(a, full_matrices=False)
    rank = int(xp.sum(xp.astype(s > by, xp.int64)))
    u, s, vt = u[:, :rank], s[:rank] - by, vt[:rank, :]
    return u, s, vt, (u * s) @ vt


def shrink_entries(a: Any, by: Any, *, xp: Any) -> Any:
    """Entries nearer to zero by a number, those within it zero."""
    size = xp.abs(a)
    return xp.where(size > by, a * (1 - by / xp.where(size > by, size, 1.0)), xp.zeros_like(a))
