"""Nonnegative matrix factorization: parts that only add up (Lee and Seung 2001; Cichocki and Phan 2009).

    A ~ W H,   W >= 0, H >= 0,   minimizing |A - W H|_F

    hals             w_k <- max(0, w_k + (A H^T - W H H^T)_k / (H H^T)_kk)    for k = 1 ... r in turn; H likewise
    multiplicative   W <- W * (A H^T) / (W H H^T)                             entry by entry; H likewise

Neither step can make the error larger. Which of the many local minima they come near depends on the start.
"""

from dataclasses import dataclass
from typing import Any

from factorattn.catalogue import Factorization
from factorattn.contract import check, choose
from factorattn.factor.door import admit, finite, unit_scale
from factorattn.factor.factored import Chain
from factorattn.factor.lowrank.nmf_start import STARTS
from factorattn.interpret.gradient import stop_gradient
from factorattn.scalars import generator, positive, whole

__all__ = ["NMF", "nmf"]

INPUTS = "a: ... p q, rank = r"
START = "a: ... p q, w: ... p r, h: ... r q, rank = r"


@dataclass(frozen=True, eq=False, repr=False)
class NMF(Chain):
    """w h for w (..., p, r) and h (..., r, q) without negative entries.

    Parameters
    ----------
    w, h : array
    steps : int
        How many times both were updated.
    converged : bool or None
        Whether that was enough for the tolerance; None where none was asked for.
    """

    w: Any
    h: Any
    steps: int = 0
    converged: bool | None = None

    @property
    def chain(self) -> tuple[Any, ...]:
        """W and H."""
        return (self.w, self.h)


@Factorization(
    inputs=INPUTS,
    time="p*q*r",
    memory="p*q + p*r",
    exact="never",
    lowrank=True,
    needs="nonnegative",
    random=True,
    paper="cichocki2009",
)
def nmf(
    a: Any,
    rank: int,
    *,
    solver: str = "hals",
    init: str | tuple[Any, Any] | None = None,
    iterations: int = 100,
    tolerance: float | None = None,
    rng: Any = None,
) -> NMF:
    """Factor a matrix without negative entries into two such matrices.

    Parameters
    ----------
    a : array, shape (..., p, q)
        Real, with no negative entries.
    rank : int
        Number r of parts: columns of W and rows of H.
    solver : {"hals", "multiplicative"}
        "hals" (hierarchical alternating least squares) finds the best column or row, all others fixed, one after the
        other. "multiplicative" multiplies entries; where one is zero it stays so.
    init : {"nndsvd", "nndsvda", "random"} or (w, h), optional
        Where to start. "nndsvd": nonnegative parts of singular vectors, with many zeros; r is at most min(p, q) then.
        "nndsvda": the same, with the mean of `a` in place of zeros, both as they are where the largest entry of `a`
        has been scaled to between one and two. "random": absolute values of normal numbers, drawn
        from `rng`. Or two arrays (..., p, r) and (..., r, q). By default "nndsvd" for "hals" and "nndsvda" for
        "multiplicative", and "random" where r is above min(p, q).
    iterations : int
        How many times both factors are updated; no more than this where there is a tolerance.
    tolerance : float, optional
        Stop after an update that lowers the error of no matrix of the stack by more than this part of its norm. Control
        flow then depends on values.
    rng : int, numpy.random.Generator or None
        Source of randomness (SPEC 7) of the start, the same numbers for every matrix of a stack: of "random" itself,
        and of `randomized_svd`, which finds the singular vectors.

    Returns
    -------
    nmf : NMF
        w (..., p, r), h (..., r, q); ``error_bound`` is the error itself. ``steps`` is the number of updates, and
        ``converged`` whether the last one met the tolerance, None where there is none.

    Raises
    ------
    ValueError
        If `a` has fewer than two axes, or holds NaN, infinity or negative entries; if an option is unknown, or the
        start does not fit.
    TypeError
        If `a` is not a real floating array, or an option is of another kind.

    Notes
    -----
    To find the best factors is NP-hard (Vavasis 2009), and a matrix of nonnegative rank r need not be found again. Cost
    is declared for r far below p and q; an update takes about 4 p q r + 4 (p + q) r^2 operations. W is updated before
    H, as in ``sklearn.decomposition.NMF``, whose coordinate descent (without shuffling) and multiplicative updates give
    the same factors from the same start.

    References
    ----------
    Lee and Seung, "Algorithms for Non-negative Matrix Factorization", NIPS 13, 2001. Cichocki and Phan, "Fast Local
    Algorithms for Large Scale Nonnegative Matrix and Tensor Factorizations", IEICE Transactions on Fundamentals
    E92-A(3), 2009, pages 708-721. Vavasis, "On the Complexity of Nonnegative Matrix Factorization", SIAM Journal on
    Optimization 20(3), 2009, pages 1364-1377. arXiv:0708.4149
    """
    xp, size, (a,) = admit(INPUTS, a=a, rank=rank)
    _nonnegative("a", a, xp=xp)
    update = choose(SOLVERS, solver=solver)
    if whole(iterations=iterations) < 0:
        raise ValueError(f"iterations must be at least 0, got {iterations!r}")
    least = None if tolerance is None else positive(tolerance=tolerance)
    scale = unit_scale(a, xp=xp)
    a = a / scale
    w, h = _start(a, size["r"], solver, init, scale, generator(rng), xp=xp)
    norm, error, steps, converged = _norm(a, xp=xp), None, 0, None if least is None else False
    while steps < iterations and not converged:
        w = update(w, a @ h.mT, h @ h.mT, xp=xp)
        h = update(h.mT, a.mT @ w, w.mT @ w, xp=xp).mT
        steps += 1
        if least is not None:
            before, error = error, _norm(a - w @ h, xp=xp)
            converged = before is not None and bool(xp.all(before - error <= least * norm))
    return NMF(w * scale, h, steps=steps, converged=converged, error_bound=_norm(a - w @ h, xp=xp) * scale[..., 0, 0])


def _hals(w, ah, hh, *, xp):
    """Each column of W (..., p, r) in turn, from A H^T (..., p, r) and H H^T (..., r, r).

    A column whose row of H is zero stays: it is as good as any other.
    """
    eye = xp.eye(w.shape[-1], dtype=w.dtype, device=w.device)
    size = xp.sum(hh * eye, axis=-2, keepdims=True)  # (..., 1, r)
    some = size > float(xp.finfo(w.dtype).smallest_normal)
    size = xp.where(some, size, 1.0)
    kept, new = eye - xp.where(some, hh, 0.0) / size, xp.where(some, ah, 0.0) / size
    for k in range(w.shape[-1]):
        column = xp.clip(new[..., k : k + 1] + w @ kept[..., k : k + 1], min=0.0)  # (..., p, 1)
        w = xp.concat([w[..., :k], column, w[..., k + 1 :]], axis=-1)
    return w


def _multiplicative(w, ah, hh, *, xp):
    """Entries times A H^T over W H H^T; where that is zero, so is the entry or the part of H, and it stays."""
    below = w @ hh
    smallest = float(xp.finfo(w.dtype).smallest_normal)
    return xp.where(below > smallest, w * (ah / xp.where(below > smallest, below, 1.0)), w)


SOLVERS = {"hals": _hals, "multiplicative": _multiplicative}


def _start(a, r, solver, init, scale, rng, *, xp):
    """W and H to start from, for a matrix that was divided by its scale."""
    if isinstance(init, tuple):
        if len(init) != 2:
            raise ValueError(f"init must be a name or two arrays (w, h), got {len(init)} of them")
        w, h = init
        check(START, a=a, w=w, h=h, rank=r)
        for name, x in (("w", w), ("h", h)):
            finite(name, x, xp=xp)
        _nonnegative("w", w, xp=xp)
        _nonnegative("h", h, xp=xp)
        batch = (*a.shape[:-2],)
        w, h = (xp.broadcast_to(xp.astype(x, a.dtype), (*batch, *x.shape[-2:])) for x in (w, h))
        return w / scale, h
    usual = {"hals": "nndsvd", "multiplicative": "nndsvda"}[solver] if r <= min(a.shape[-2:]) else "random"
    return choose(STARTS, init=usual if init is None else init)(a, r, rng=rng, xp=xp)


def _norm(a, *, xp):
    return xp.linalg.vector_norm(a, axis=(-2, -1))


def _nonnegative(name, x, *, xp):
    """ValueError if an array has negative entries, TypeError if it is complex. One without values has none."""
    if xp.isdtype(x.dtype, "complex floating"):
        raise TypeError(f"{name} must have a real floating dtype, got {x.dtype}; a sign is asked of its entries")
    try:
        fine = 0 in x.shape or bool(xp.min(x) >= 0)
    except TypeError:
        return
    if not fine:
        raise ValueError(
            f"{name} must have no negative entries, but its smallest is {float(stop_gradient(xp.min(x)))}; "
            "take absolute values, shift it, or use truncated_svd"
        )
