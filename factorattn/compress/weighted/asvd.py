"""Activation-aware singular value decomposition (Yuan et al. 2023): columns that see large inputs count for more.

    F = (W S)_r S^-1,    S = diag(s),    s_j = (mean over i of |x_ij|)^alpha

(W S)_r is the nearest matrix of rank r to W S. With alpha = 0 it is the truncated decomposition of W itself.
"""

from typing import Any

from factorattn.catalogue import Factorization
from factorattn.compress.weighted.nearest import nearest_weighted
from factorattn.factor.door import admit, unit_scale
from factorattn.factor.factored import Product
from factorattn.scalars import real

__all__ = ["asvd"]

INPUTS = "w: ... p q, x: ... n q, rank = r"


@Factorization(
    inputs=INPUTS,
    time="p*q**2 + q**3 + p*q*r + n*q",
    memory="p*q + q**2 + n*q",
    exact="rank",
    lowrank=True,
    paper="yuan2023",
)
def asvd(w: Any, x: Any, rank: int, *, alpha: float = 0.5) -> Product:
    """Factor weights so that the columns of large inputs are approximated best.

    Parameters
    ----------
    w : array, shape (..., p, q)
        Weights, (out, in).
    x : array, shape (..., n, q)
        Inputs of the layer, as rows: n of them, from data that is like what it will see.
    rank : int
        The rank r; min(p, q) or more gives `w` itself, to rounding.
    alpha : float
        The power that the mean size of an input is raised to, from 0 on.

    Returns
    -------
    factored : Product
        Factors (..., p, r) and (..., r, q), with orthonormal columns in the first. ``error_bound`` is |W - F|_F itself.

    Raises
    ------
    ValueError
        If shapes do not fit, `w` or `x` holds NaN or infinity, `rank` is not a positive integer, or `alpha` is
        negative.
    TypeError
        If `w` or `x` is not a floating array, or they are of two libraries.

    Notes
    -----
    No theorem says that the layer's outputs on `x` are approximated well: a diagonal S knows how large inputs are, and
    not how they go together. `svd_llm` does, and is never worse on `x`.

    S is never inverted (see `svd_llm`), so that an input that is always zero does no harm: its column counts for
    nothing until the others are exact. The authors' code adds 1e-6 to every weight instead.

    Cost is declared for p >= q.

    References
    ----------
    Yuan et al., "ASVD: Activation-aware Singular Value Decomposition for Compressing Large Language Models", 2023.
    arXiv:2312.05821
    """
    xp, size, (w, x) = admit(INPUTS, w=w, x=x, rank=rank)
    if real(alpha=alpha) < 0:
        raise ValueError(f"alpha must not be negative, got {alpha}")
    return nearest_weighted(w, w / unit_scale(w, xp=xp) * _scales(x, alpha, xp=xp), size["r"], xp=xp)


def _scales(x: Any, alpha: float, *, xp: Any) -> Any:
    """Weights (..., 1, q) of the columns of inputs x (..., n, q), up to a common factor; all one for n = 0."""
    sizes = xp.abs(x / unit_scale(x, xp=xp))
    n = x.shape[-2]
    means = xp.sum(sizes, axis=-2, keepdims=True) / n if n else xp.ones_like(xp.sum(sizes, axis=-2, keepdims=True))
    return means**alpha
