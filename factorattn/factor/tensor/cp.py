"""The canonical polyadic decomposition: a tensor as a sum of r outer products (Carroll and Chang 1970; Harshman 1970).

    T[i_1, ..., i_d] = sum over s < r of  w_s A_1[i_1, s] A_2[i_2, s] ... A_d[i_d, s],   columns of length 1, w falling

Alternating least squares solves for one A_k at a time, the others held: with K the column-wise Kronecker product
(Khatri-Rao) of these, A_k K^T is the nearest to the k-th unfolding. No sweep makes the error larger.
"""

import math
from typing import Any

from factorattn.catalogue import Factorization
from factorattn.contract import choose
from factorattn.factor.factored import CP
from factorattn.factor.factored.unfolding import digits
from factorattn.factor.tensor.modes import admit_tensor, norm, unfold
from factorattn.factor.tensor.tucker import hosvd
from factorattn.scalars import generator, positive, whole

__all__ = ["cp"]

INPUTS = "a: x y t, rank = r"


@Factorization(
    inputs=INPUTS,
    output="x y*t",
    time="x*y*t*r + x*y*r**2 + x*t*r**2 + y*t*r**2 + r**3 + x**2*y*t + x*y**2*t + x*y*t**2 + x**3 + y**3 + t**3",
    memory="x*y*t + x*y*r + t*r + r**2 + x**2 + y**2 + t**2",
    exact="never",
    lowrank=True,
    needs="tensor",
    paper="kolda2009",
)
def cp(
    a: Any,
    rank: int,
    *,
    iterations: int = 50,
    tolerance: float | None = None,
    init: str = "svd",
    rows: int = 1,
    rng: Any = None,
) -> CP:
    """Factor a tensor into a sum of outer products by alternating least squares.

    Parameters
    ----------
    a : array, shape (n_1, ..., n_d)
        Two modes or more; real or complex.
    rank : int
        Number r of outer products; may be larger than any mode.
    iterations : int
        Sweeps over all modes, at the most.
    tolerance : float, optional
        Stop after a sweep that has lowered the error by no more than this part of the norm of `a`. This looks at the
        values of the array. By default there are as many sweeps as `iterations` says.
    init : {"svd", "random"}
        Start from the r largest entries of the core that HOSVD gives, with the singular vectors that belong to them; or
        from normal columns, drawn mode by mode.
    rows : int
        How many of the modes number the rows of the matrix that the result is.
    rng : int, Generator, optional
        Source of what ``init="random"`` draws.

    Returns
    -------
    cp : CP
        weights (r,), none negative and falling, and factors (n_k, r) with columns of length 1 or 0. ``error_bound`` is
        the error, from the difference of both tensors. ``sweeps`` is how many there were: it has converged, to
        `tolerance`, where that is less than `iterations`.

    Raises
    ------
    ValueError
        If `a` has fewer than two axes or holds NaN or infinity; if `rank`, `iterations`, `tolerance` or `rows` is out
        of range; `init` is unknown; or `rng` is given where nothing is drawn.
    TypeError
        If `a` is not a floating array, or an option is of the wrong type.

    Notes
    -----
    The least squares are solved for a correction of A_k by an SVD of K; what K is blind to, up to rounding, stays as it
    is. The normal equations with the product of Gram matrices, which others solve, square the condition number, and may
    let the error rise.

    The result need not be the nearest of its rank, and there may be none: tensors of rank 3 exist that those of rank 2
    come as near as you like, with columns that grow parallel and weights that grow without bound. Other starts may end
    elsewhere. Cost is declared for three modes and a rank below each.

    References
    ----------
    Carroll and Chang, "Analysis of individual differences in multidimensional scaling via an N-way generalization of
    Eckart-Young decomposition", Psychometrika 35, 1970, pages 283-319.

    Harshman, "Foundations of the PARAFAC procedure", UCLA Working Papers in Phonetics 16, 1970, pages 1-84.

    Kolda and Bader, "Tensor decompositions and applications", SIAM Review 51, 2009, pages 455-500.
    """
    xp, a, scale, rows = admit_tensor(a, rows)
    r, most = _counted("rank", rank), _counted("iterations", iterations)
    least = None if tolerance is None else positive(tolerance=tolerance)
    start = choose(STARTS, init=init)
    if init != "random" and rng is not None:
        raise ValueError(f"rng is for init='random', got init={init!r}, which draws nothing")
    if 0 in a.shape:
        nothing = tuple(xp.zeros((n, r), dtype=a.dtype, device=a.device) for n in a.shape)
        zero = xp.zeros_like(scale)
        return CP(xp.broadcast_to(zero, (r,)), nothing, row_modes=rows, error_bound=zero)
    weights, factors = start(a, r, rng, xp=xp)
    sweeps, size = 0, norm(a, xp=xp)
    before = norm(a - CP(weights, tuple(factors)).to_tensor(), xp=xp) if least is not None else None
    while sweeps < most:
        weights, factors = _sweep(a, weights, factors, xp=xp)
        sweeps += 1
        if least is not None:
            error = norm(a - CP(weights, tuple(factors)).to_tensor(), xp=xp)
            if bool(before - error <= least * size):
                break
            before = error
    order = xp.argsort(weights, descending=True)
    found = CP(
        xp.take(weights, order, axis=0), tuple(xp.take(f, order, axis=1) for f in factors), sweeps, row_modes=rows
    )
    error = norm(a - found.to_tensor(), xp=xp)
    return CP(found.weights * scale, found.factors, sweeps, row_modes=rows, error_bound=error * scale)


def _sweep(a, weights, factors, *, xp):
    """Each factor in turn, with the weights in it, as least squares has it; then its columns are normalised."""
    for mode in range(len(factors)):
        k = _khatri_rao([f for j, f in enumerate(factors) if j != mode], xp=xp)  # (all other modes, r)
        now = factors[mode] * weights  # (n, r)
        now = now + _least_squares(k, unfold(a, mode, xp=xp) - now @ k.mT, xp=xp)
        weights = xp.linalg.vector_norm(now, axis=0)
        unit = now / xp.where(weights > 0, weights, xp.ones_like(weights))
        factors = [unit if j == mode else f for j, f in enumerate(factors)]
    return weights, factors


def _khatri_rao(factors, *, xp):
    """Products of all combinations of rows, column by column, those of the last factor fastest."""
    out, *others = factors
    for f in others:
        out = xp.reshape(out[:, None, :] * f[None, :, :], (out.shape[0] * f.shape[0], f.shape[1]))
    return out


def _least_squares(k, m, *, xp):
    """The smallest x (n, r) with x k^T nearest to m (n, l), for k (l, r) that may be singular."""
    return m @ xp.linalg.pinv(k).mT


def _from_hosvd(a, rank, rng, *, xp):
    """The largest entries of the core, with their singular vectors: already a sum of outer products."""
    core, factors, _ = hosvd(a, (math.inf,) * a.ndim, xp=xp)
    entries = xp.reshape(core, (math.prod(core.shape),))
    count = entries.shape[0]
    number = xp.arange(rank, dtype=xp.int64, device=a.device)
    picks = xp.take(
        xp.argsort(xp.abs(entries), descending=True), number % count, axis=0
    )  # beyond all entries, again the first
    weights = xp.take(entries, picks, axis=0)
    weights = xp.where(number < count, weights, xp.zeros_like(weights))
    return weights, [xp.take(f, at, axis=1) for f, at in zip(factors, digits(picks, tuple(core.shape)), strict=True)]


def _from_chance(a, rank, rng, *, xp):
    """Normal columns, of length 1, and no weights yet."""
    source, factors = generator(rng), []
    for n in a.shape:
        drawn = source.standard_normal((n, rank))
        f = xp.asarray(drawn, dtype=a.dtype, device=a.device)
        factors.append(f / xp.linalg.vector_norm(f, axis=0))
    return xp.zeros((rank,), dtype=a.dtype, device=a.device), factors


STARTS = {"svd": _from_hosvd, "random": _from_chance}


def _counted(name, value):
    count = whole(**{name: value})
    if count < 1:
        raise ValueError(f"{name} must be a positive integer, got {value!r}")
    return count
