"""Randomly pivoted Cholesky: a semidefinite matrix from a few of its columns, drawn one after the other.

    P(j) = d_j / sum d,   g = (A_:j - G G_j:^H) / sqrt(d_j),   d -> d - |g|^2,   G -> [G, g],   d = diag(A) at first

With k >= r / eps + r log(1 / (eps eta)), E tr(A - G G^H) <= (1 + eps) tr(A - A_r); eta = tr(A - A_r) / tr(A).
"""

from typing import Any

import numpy as np

from factorattn.catalogue import Factorization
from factorattn.contract import choose as chosen
from factorattn.factor.door import admit, unit_scale
from factorattn.factor.selection.choice import greedy_pivot, random_pivot
from factorattn.factor.selection.kinds import Nystrom
from factorattn.factor.selection.pieces import columns_of, rounding, rows_of
from factorattn.factor.selection.semidefinite import checked_diagonal
from factorattn.scalars import generator

__all__ = ["pivoted_cholesky", "rpcholesky"]

INPUTS = "a: ... p p, rank = r"


@Factorization(
    inputs=INPUTS,
    output="p p",
    time="p**2 + p*r**2",
    memory="p**2 + p*r",
    exact="rank",
    lowrank=True,
    needs="semidefinite",
    random=True,
    paper="chen2022pivoted",
)
def rpcholesky(a: Any, rank: int, *, choose: str = "random", rng: Any = None) -> Nystrom:
    """Factor a positive semidefinite matrix by Cholesky steps at pivots that its diagonal chooses.

    Parameters
    ----------
    a : array, shape (..., p, p)
        Real symmetric or complex Hermitian, positive semidefinite. Of its entries, only the diagonal and the columns of
        the pivots are used, once it has been checked.
    rank : int
        Number of columns r; p or more takes all that there can be.
    choose : {"random", "greedy"}
        "random": a pivot is drawn in proportion to what is left of the diagonal. "greedy": its largest entry is taken.
    rng : int or numpy Generator, optional
        Where random pivots are drawn from.

    Returns
    -------
    nystrom : Nystrom
        g (..., p, k) with ``a`` near ``g @ g^H``, and landmarks (..., k), the pivots, all different. Once nothing but
        rounding is left of the diagonal, the columns of g that follow are zero, and their pivots mean nothing.
        ``error_bound`` is the trace of the error, which is semidefinite.

    Raises
    ------
    ValueError
        If `a` is not square, holds NaN or infinity, differs from its adjoint, or has a diagonal that no semidefinite
        matrix has; `rank` is not a positive integer; `choose` is neither; or `rng` is negative.
    TypeError
        If `a` is not a floating array.

    Notes
    -----
    Greedy pivots can be far worse than drawn ones: they take large entries of the diagonal that stand for nothing else.
    That A is semidefinite is not proved: the error of an indefinite matrix that passes the checks may be above its
    bound.

    References
    ----------
    Chen, Epperly, Tropp and Webber, "Randomly pivoted Cholesky: practical approximation of a kernel matrix with few
    entry evaluations", 2022. arXiv:2207.06503.
    """
    given = getattr(a, "dtype", None)  # its rounding is in the matrix, whatever it is computed in
    xp, size, (a,) = admit(INPUTS, a=a, rank=rank)
    pick, rng = chosen(PICKS, choose=choose), generator(rng)
    scale = unit_scale(a, xp=xp)  # (..., 1, 1)
    unit = a / scale
    diagonal = checked_diagonal(unit, xp=xp)
    floor = rounding(given, size["p"], xp=xp) * diagonal
    g, pivots, left = pivoted_cholesky(unit, diagonal, floor, min(size["r"], size["p"]), pick, rng, xp=xp)
    error = xp.sum(left, axis=-1) * xp.astype(scale[..., 0, 0], left.dtype)
    return Nystrom(g * xp.sqrt(scale), pivots, error_bound=error)


def pivoted_cholesky(
    a: Any, diagonal: Any, floor: Any, steps: int, pick: Any, rng: np.random.Generator, *, xp: Any
) -> tuple[Any, Any, Any]:
    """G (..., p, k), the pivots (..., k), and what is left of the diagonal (..., p), after k steps.

    No column is taken whose entry of the diagonal is not above the floor (..., p).
    """
    *batch, p, _ = a.shape
    g = xp.zeros((*batch, p, 0), dtype=a.dtype, device=a.device)
    pivots = xp.zeros((*batch, 0), dtype=xp.int64, device=a.device)
    chances = xp.asarray(rng.random((*batch, steps)), dtype=diagonal.dtype, device=a.device)
    row = xp.arange(p, device=a.device)
    free = xp.ones((*batch, p), dtype=xp.bool, device=a.device)
    left = diagonal
    for i in range(steps):
        weights = xp.where(free & (left > floor), left, 0.0)
        pivot = pick(weights, free, chances[..., i : i + 1], xp=xp)  # (..., 1)
        at = rows_of(g, pivot, xp=xp).mT  # (..., i, 1)
        at = xp.conj(at) if xp.isdtype(a.dtype, "complex floating") else at
        column = columns_of(a, pivot, xp=xp) - g @ at  # (..., p, 1)
        size = xp.take_along_axis(weights, pivot, axis=-1)[..., None]  # (..., 1, 1)
        column = xp.where(size > 0, column / xp.sqrt(xp.where(size > 0, size, 1.0)), 0.0)
        g = xp.concat([g, column], axis=-1)
        pivots = xp.concat([pivots, pivot], axis=-1)
        free = free & (row != pivot)
        left = left - xp.square(xp.abs(column[..., 0]))
        left = xp.where(free & (left > 0), left, 0.0)
    return g, pivots, left


PICKS = {"random": random_pivot, "greedy": greedy_pivot}
