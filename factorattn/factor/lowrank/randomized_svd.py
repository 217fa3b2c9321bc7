"""The randomized singular value decomposition (Halko, Martinsson and Tropp 2011).

    Y = (A A^H)^power A S^H,   Q R = Y,   Q^H A = U' diag(s) V^H,   A ~ Q U'_r diag(s_r) V_r^H

A random matrix S (r + oversampling, q) picks a space that holds most of A; the decomposition is done in it alone.
"""

from typing import Any

from factorattn.catalogue import Factorization
from factorattn.contract import choose
from factorattn.factor.adjoint import adjoint
from factorattn.factor.door import admit
from factorattn.factor.factored import SVD
from factorattn.factor.lowrank.range_finder import range_basis, thin_svd
from factorattn.factor.lowrank.residual import left_out, rest_bound
from factorattn.factor.sketch import SKETCHES
from factorattn.scalars import whole

__all__ = ["randomized_svd"]

INPUTS = "a: ... p q, rank = r"


@Factorization(
    inputs=INPUTS,
    time="p*q*r",
    memory="p*q + p*r + q*r",
    exact="rank",
    lowrank=True,
    random=True,
    paper="halko2011",
)
def randomized_svd(
    a: Any, rank: int, *, oversampling: int = 10, power: int = 2, sketch: str = "gaussian", rng: Any = None
) -> SVD:
    """Factor a matrix into nearly its leading singular triplets, at the price of a few products with it.

    Parameters
    ----------
    a : array, shape (..., p, q)
        Real or complex.
    rank : int
        Number of triplets r; min(p, q) or more gives all of them.
    oversampling : int, >= 0
        Columns that are searched beside those that are kept.
    power : int, >= 0
        How often the space is multiplied by A A^H; singular values that fall slowly need it. Two products each.
    sketch : {"gaussian", "srht", "sparse_sign", "count"}
        How the random matrix is drawn. The theorems are for "gaussian".
    rng : int, numpy.random.Generator or None
        Source of randomness (SPEC 7). The members of a batch share one draw.

    Returns
    -------
    svd : SVD
        u (..., p, r), s (..., r) and vt (..., r, q), with orthonormal columns and rows, and no value above the one of A
        that it stands for. ``error_bound`` is the error, computed by the theorem of Pythagoras, and widened by its
        rounding: it cannot show that the error is below some eps^(1/2) of the norm.

    Raises
    ------
    ValueError
        If `a` has fewer than two axes or holds NaN or infinity, `rank` is not a positive integer, `oversampling` or
        `power` is negative, or `sketch` is none of the names.
    TypeError
        If `a` is not a floating array, or `oversampling` or `power` is no integer.

    Notes
    -----
    The mean error for "gaussian" is bounded by `expected_frobenius_bound` and `expected_spectral_bound`.

    The basis is made orthogonal again before every product, those of half steps too. scikit-learn's ``randomized_svd``
    leaves that out by default for ``n_iter`` up to 2, and loses singular values below eps^(1 / (2 n_iter + 1)) of the
    first. Its ``n_iter`` is `power` here.

    Of a matrix whose rank is below `rank` + `oversampling`, the last directions of the basis are rounding: derivatives
    are NaN. `truncated_svd` has them.

    References
    ----------
    Halko, Martinsson and Tropp, "Finding Structure with Randomness: Probabilistic Algorithms for Constructing
    Approximate Matrix Decompositions", SIAM Review 53(2), 2011, pages 217-288. arXiv:0909.4061. Algorithms 4.4 and 5.1.
    """
    xp, size, (a,) = admit(INPUTS, a=a, rank=rank)
    oversampling, power = natural(oversampling=oversampling), natural(power=power)
    choose(SKETCHES, sketch=sketch)
    side = min(size["p"], size["q"])
    if side == 0 or 0 in a.shape:
        return empty_svd(a, xp=xp)
    width, r = min(size["r"] + oversampling, side), min(size["r"], side)
    # Where all of the space is searched, there is nothing that a power could find.
    q = range_basis(a, width, power=power if width < side else 0, sketch=sketch, rng=rng, xp=xp)  # (..., p, l)
    u, s, vt = thin_svd(adjoint(q, xp=xp) @ a, xp=xp)  # (..., l, l), (..., l), (..., l, q)
    u, s, vt = u[..., :, :r], s[..., :r], vt[..., :r, :]
    return SVD(q @ u, s, vt, error_bound=rest_bound(a, s, xp=xp))


def natural(**argument: Any) -> int:
    """An integer of zero or more."""
    ((name, value),) = argument.items()
    if whole(**argument) < 0:
        raise ValueError(f"{name} must be 0 or more, got {value!r}")
    return whole(**argument)


def empty_svd(a: Any, *, xp: Any) -> SVD:
    """No triplet, of an array without entries."""
    u, s, vt = xp.linalg.svd(a, full_matrices=False)
    return SVD(u, s, vt, error_bound=left_out(s, 0, xp=xp))
