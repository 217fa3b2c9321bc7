"""A truncated singular value decomposition of the rank that a given error asks for.

    E_0 = A,    Q_k = basis of the range of E_{k-1},    E_k = E_{k-1} - Q_k Q_k^H E_{k-1}        until |E_k|_F is small

Blocks of the basis are found at random and taken off the matrix (Martinsson and Voronin 2016). What is left is measured
on the remaining matrix itself: |A|^2 - |Q^H A|^2 (Yu, Gu and Li 2018) is cheaper, but blind to errors below eps^(1/2).
"""

import math
from typing import Any

from factorattn.catalogue import Factorization
from factorattn.contract import choose
from factorattn.factor.adjoint import adjoint
from factorattn.factor.door import admit, unit_scale
from factorattn.factor.factored import SVD
from factorattn.factor.lowrank.randomized_svd import empty_svd, natural
from factorattn.factor.lowrank.range_finder import range_basis, thin_svd
from factorattn.factor.sketch import SKETCHES
from factorattn.scalars import generator, real, whole

__all__ = ["adaptive_svd"]

INPUTS = "a: p q, rank = r"


@Factorization(
    inputs=INPUTS,
    time="p*q*r",
    memory="p*q",
    exact="rank",
    lowrank=True,
    random=True,
    paper="martinsson2016",
)
def adaptive_svd(
    a: Any,
    rank: int,
    *,
    tolerance: float = 0.0,
    block: int = 10,
    power: int = 1,
    sketch: str = "gaussian",
    rng: Any = None,
) -> SVD:
    """Factor a matrix into as few singular triplets as keep the error within a tolerance.

    Parameters
    ----------
    a : array, shape (p, q)
        Real or complex.
    rank : int
        The most triplets r there may be.
    tolerance : float, >= 0
        The error that is allowed in the Frobenius norm, relative to the norm of `a`. Zero asks for all `rank` of them,
        or as many as the matrix has to rounding.
    block : int, >= 1
        How many columns the space grows by. One block more is searched than the tolerance needs, so that few triplets
        are kept that are not needed.
    power : int, >= 0
        How often each block is multiplied by what is left of A A^H.
    sketch : {"gaussian", "srht", "sparse_sign", "count"}
        How random matrices are drawn.
    rng : int, numpy.random.Generator or None
        Source of randomness (SPEC 7).

    Returns
    -------
    svd : SVD
        u (p, k), s (k,) and vt (k, q) for some k up to `rank`, at least 1. ``error_bound`` is the error, measured, and
        widened by its rounding: the tolerance was met if it is no more than ``tolerance`` times the norm of `a`, and
        else `rank` was too low, or the tolerance below what rounding allows.

    Raises
    ------
    ValueError
        If `a` has not two axes or holds NaN or infinity, `rank` or `block` is not positive, `tolerance` or `power` is
        negative, or `sketch` is none of the names.
    TypeError
        If `a` is not a floating array, or an option is no number.

    Notes
    -----
    k is the least that this space allows. No matrix of a lower rank than that of the truncated decomposition keeps
    the tolerance, so k is at least that.

    It reads values: there is no counting, tracing or compiling it. Derivatives are those of the blocks that it took;
    NaN where the last block has no more than rounding to find, as in a matrix of low rank.

    References
    ----------
    Martinsson and Voronin, "A Randomized Blocked Algorithm for Efficiently Computing Rank-Revealing Factorizations of
    Matrices", SIAM Journal on Scientific Computing 38(5), 2016, pages S485-S507. arXiv:1503.07157
    Yu, Gu and Li, "Efficient Randomized Algorithms for the Fixed-Precision Low-Rank Matrix Approximation", SIAM Journal
    on Matrix Analysis and Applications 39(3), 2018, pages 1339-1359. arXiv:1606.09402
    """
    xp, size, (a,) = admit(INPUTS, a=a, rank=rank)
    tolerance, block, power = real(tolerance=tolerance), whole(block=block), natural(power=power)
    if tolerance < 0:
        raise ValueError(f"tolerance must be 0 or more, got {tolerance!r}")
    if block < 1:
        raise ValueError(f"block must be 1 or more, got {block!r}")
    choose(SKETCHES, sketch=sketch)
    rng, side = generator(rng), min(size["p"], size["q"])
    if side == 0:
        return empty_svd(a, xp=xp)
    scale = unit_scale(a, xp=xp)  # (1, 1)
    a = a / scale
    norm = xp.linalg.vector_norm(a)
    eps = float(xp.finfo(a.dtype).eps)
    basis = xp.zeros((size["p"], 0), dtype=a.dtype, device=a.device)  # (p, k)
    found, rest, left, met = adjoint(basis, xp=xp) @ a, a, norm, False  # (k, q), (p, q)
    while True:
        width = min(block, side - basis.shape[-1])
        new = range_basis(rest, width, power=power, sketch=sketch, rng=rng, xp=xp)
        new = new - basis @ (adjoint(basis, xp=xp) @ new)  # rounding left some of the old in it
        new = xp.linalg.qr(new)[0]  # (p, b)
        part = adjoint(new, xp=xp) @ rest  # (b, q)
        basis, found = xp.concat([basis, new], axis=-1), xp.concat([found, part], axis=-2)
        rest = rest - new @ part
        left, k = xp.linalg.vector_norm(rest), basis.shape[-1]
        lost = eps * math.sqrt(k) * norm  # rounding of sums of k products
        if met or k >= min(size["r"] + block, side) or bool(left <= lost):
            break
        met = bool(xp.hypot(left, lost) <= tolerance * norm)
    u, s, vt = thin_svd(found, xp=xp)
    r, error = _enough(s, xp.hypot(left, lost), tolerance * norm, min(size["r"], side), xp=xp)
    return SVD(basis @ u[:, :r], scale[0, :] * s[:r], vt[:r, :], error_bound=scale[0, 0] * error)


def _enough(s, left, allowed, most, *, xp):
    """The smallest rank up to `most` whose error is allowed, or `most`; and that error."""
    tails = xp.flip(xp.cumulative_sum(xp.flip(s * s), include_initial=True))  # sums of squares after 0, 1, ..., k
    errors = xp.sqrt(left * left + tails)  # by Pythagoras
    most = min(most, s.shape[0])
    r = min(most, 1 + int(xp.sum(xp.astype(errors[1:most] > allowed, xp.int64))))
    return r, errors[r]
