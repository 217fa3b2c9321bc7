"""The Tucker decomposition: a small core, multiplied along each mode by a matrix of orthonormal columns (Tucker 1966).

    T = G x_1 U_1 x_2 U_2 ... x_d U_d,   G = T x_1 U_1^H ... x_d U_d^H

HOSVD takes for U_k the leading left singular vectors of the k-th unfolding; ST-HOSVD does so one mode after the other,
each time in what the last has left; HOOI starts from HOSVD and improves one U_k at a time, the others held.
"""

from typing import Any

from factorattn.catalogue import Factorization
from factorattn.contract import choose
from factorattn.factor.adjoint import adjoint
from factorattn.factor.factored import Tucker
from factorattn.factor.factored.unfolding import mode_product
from factorattn.factor.tensor.modes import admit_tensor, fold, left_out, norm, rank_for, ranks_of, slack, unfold
from factorattn.scalars import whole

__all__ = ["hosvd", "tucker"]

SWEEPS = 10


@Factorization(
    inputs="a: x y t, rank = r",
    output="x y*t",
    time="x**2*y*t + x*y**2*t + x*y*t**2 + x*y*t*r + y*t*r**2 + t*r**3 + x**3 + y**3 + t**3",
    memory="x*y*t + x**2 + y**2 + t**2",
    exact="rank",
    lowrank=True,
    needs="tensor",
    paper="delathauwer2000",
)
def tucker(
    a: Any,
    rank: int | tuple[int, ...] | None,
    *,
    method: str = "hosvd",
    iterations: int | None = None,
    tolerance: float | None = None,
    rows: int = 1,
) -> Tucker:
    """Factor a tensor into a core and a matrix for each mode.

    Parameters
    ----------
    a : array, shape (n_1, ..., n_d)
        Two modes or more; real or complex.
    rank : int or tuple of int, or None
        The most that each length r_1, ..., r_d of the core may be: one number for all, or one for each. None for no
        limit.
    method : {"hosvd", "sthosvd", "hooi"}
        All three err by at most sqrt(d) times the least that the ranks allow. "sthosvd" is the cheapest, "hooi" never
        errs more than "hosvd".
    iterations : int, optional
        Sweeps of "hooi" over all modes; 10 by default. The others have none. It has converged where one more sweep
        leaves ``error_bound`` as it is.
    tolerance : float, optional
        Relative error in the Frobenius norm: ranks are then as low as it allows, but `rank` comes first. This looks at
        the values of the array.
    rows : int
        How many of the modes number the rows of the matrix that the result is.

    Returns
    -------
    tucker : Tucker
        core (r_1, ..., r_d) and factors (n_k, r_k) with orthonormal columns. ``error_bound`` comes from the singular
        values left out: the error itself for "sthosvd", no less than it for "hosvd". For "hooi" it is the error, from
        the difference of both tensors.

    Raises
    ------
    ValueError
        If `a` has fewer than two axes or holds NaN or infinity; a rank, `tolerance`, `rows` or `iterations` is out of
        range; `method` is unknown; or `iterations` is given to a method that has none.
    TypeError
        If `a` is not a floating array.

    Notes
    -----
    With one rank for all and `rows` of 1, the matrix has at most this rank. Of full rank, slices of the core of "hosvd"
    are orthogonal to each other and fall in norm, along every mode. Cost is declared for three modes, none longer than
    the others together.

    References
    ----------
    De Lathauwer, De Moor and Vandewalle, "A multilinear singular value decomposition", SIAM Journal on Matrix Analysis
    and Applications 21, 2000, pages 1253-1278; and "On the best rank-1 and rank-(R1, R2, ..., RN) approximation of
    higher-order tensors", the same, pages 1324-1342.

    Vannieuwenhoven, Vandebril and Meerbergen, "A new truncation strategy for the higher-order singular value
    decomposition", SIAM Journal on Scientific Computing 34, 2012, pages A1027-A1052.
    """
    xp, a, scale, rows = admit_tensor(a, rows)
    ranks = ranks_of(rank, a.ndim)
    factor = choose(METHODS, method=method)
    if iterations is not None and method != "hooi":
        raise ValueError(f"iterations are for method='hooi', got method={method!r}")
    allowed = slack(a, tolerance, a.ndim, xp=xp)
    options = {"sweeps": _sweeps(iterations)} if method == "hooi" else {}
    core, factors, bound = factor(a, ranks, allowed, xp=xp, **options)
    return Tucker(core * scale, tuple(factors), row_modes=rows, error_bound=bound * scale)


def hosvd(a: Any, ranks: tuple[float, ...], allowed: Any = None, *, xp: Any) -> tuple[Any, list[Any], Any]:
    """Each factor from the unfolding of the whole tensor: core, factors, and a bound of the error."""
    factors, lost = [], []
    for mode, rank in enumerate(ranks):
        u, s, _ = xp.linalg.svd(unfold(a, mode, xp=xp), full_matrices=False)
        keep = rank_for(s, rank, allowed, xp=xp)
        factors.append(u[:, :keep])
        lost.append(left_out(s, keep, xp=xp))
    return _core(a, factors, xp=xp), factors, norm(xp.stack(lost), xp=xp)


def _sthosvd(a, ranks, allowed, *, xp):
    """Each factor from the unfolding of what the modes before have left of the tensor."""
    core, factors, lost = a, [], []
    for mode, rank in enumerate(ranks):
        others = core.shape[:mode] + core.shape[mode + 1 :]
        u, s, vt = xp.linalg.svd(unfold(core, mode, xp=xp), full_matrices=False)
        keep = rank_for(s, rank, allowed, xp=xp)
        core = fold(s[:keep, None] * vt[:keep, :], mode, others, xp=xp)
        factors.append(u[:, :keep])
        lost.append(left_out(s, keep, xp=xp))
    return core, factors, norm(xp.stack(lost), xp=xp)


def _hooi(a, ranks, allowed, *, sweeps, xp):
    """One factor after the other from the unfolding of the tensor that all other factors have made small."""
    core, factors, _ = hosvd(a, ranks, allowed, xp=xp)
    ranks = core.shape
    for _ in range(sweeps):
        for mode, rank in enumerate(ranks):
            small = _core(a, [None if k == mode else f for k, f in enumerate(factors)], xp=xp)
            u, _, _ = xp.linalg.svd(unfold(small, mode, xp=xp), full_matrices=False)
            factors = [u[:, :rank] if k == mode else f for k, f in enumerate(factors)]
    core = _core(a, factors, xp=xp)
    return core, factors, norm(a - Tucker(core, tuple(factors)).to_tensor(), xp=xp)


METHODS = {"hosvd": hosvd, "sthosvd": _sthosvd, "hooi": _hooi}


def _core(a, factors, *, xp):
    """The tensor a with each mode multiplied by the adjoint of its factor; by none for None."""
    for mode, f in enumerate(factors):
        if f is not None:
            a = mode_product(a, adjoint(f, xp=xp), mode, xp=xp)
    return a


def _sweeps(iterations):
    count = SWEEPS if iterations is None else whole(iterations=iterations)
    if count < 1:
        raise ValueError(f"iterations must be a positive integer, got {iterations!r}")
    return count
