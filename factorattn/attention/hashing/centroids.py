"""Centroids of the Routing Transformer (Roy et al. 2021): what queries and keys are compared with, and how it learns.

    x' = (x - mean x) / sqrt(var x + eps)                                          layer norm without scale and bias
    mu_t <- lambda mu_t + (1 - lambda) / 2 (sum_{i: t(q'_i) = t} q'_i + sum_{j: t(k'_j) = t} k'_j)
    t(x) = argmax_t mu_t . x

The centroids are moved outside of attention, once for each training step.
"""

from typing import Any

from factorattn.contract import check, working_precision
from factorattn.primitives.cluster import members_of
from factorattn.primitives.pairs import weigh
from factorattn.scalars import positive, real

__all__ = ["layer_norm", "update_centroids"]

INPUTS = "q: ... n d, k: ... m d, mu: ... t d"


def layer_norm(x: Any, eps: float, *, xp: Any) -> Any:
    """The rows of x (..., n, d) without their means, divided by their standard deviations."""
    if x.shape[-1] == 0:
        return x
    x = x - xp.mean(x, axis=-1, keepdims=True)
    return x / xp.sqrt(xp.mean(x * x, axis=-1, keepdims=True) + eps)


def update_centroids(q: Any, k: Any, mu: Any, *, decay: float = 0.999, eps: float = 1e-6) -> Any:
    """Move each centroid towards the queries and keys that are nearest to it.

    Parameters
    ----------
    q : array, shape (..., n, d)
    k : array, shape (..., m, d)
        Queries and keys as `factorattn.routing_attention` takes them; they are normalised here.
    mu : array, shape (..., t, d)
        The centroids; batch axes broadcast.
    decay : float
        The factor lambda of the old centroids, in 0 .. 1. The paper's is 0.999.
    eps : float
        Added to the variances.

    Returns
    -------
    mu : array, shape (..., t, d), result dtype of the inputs
        The new centroids. One without queries and keys shrinks towards zero.

    Raises
    ------
    ValueError
        If shapes disagree, `decay` lies outside 0 .. 1, or `eps` is not positive.
    TypeError
        If inputs are not floating arrays of one library.

    Notes
    -----
    Sums, as in the paper: lucidrains/routing-transformer takes normalised means instead. Where a batch has one common
    mu, add up what its members give.

    References
    ----------
    Roy, Saffar, Vaswani and Grangier, "Efficient Content-Based Sparse Attention with Routing Transformers", 2021,
    algorithm 1. arXiv:2003.05997
    """
    xp, size = check(INPUTS, q=q, k=k, mu=mu)
    decay, eps = real(decay=decay), positive(eps=eps)
    if not 0 <= decay <= 1:
        raise ValueError(f"decay must be in 0 .. 1, got {decay!r}")
    dtype, (q, k, mu) = working_precision(q, k, mu, xp=xp)
    new = decay * mu
    for x in (q, k):
        x = layer_norm(x, eps, xp=xp)
        if x.shape[-2] and size["t"]:
            cluster = xp.argmax(x @ mu.mT, axis=-1)  # (..., n)
            member = members_of(cluster, size["t"], dtype=x.dtype, xp=xp)  # (..., t, n)
            new = new + (1 - decay) / 2 * weigh(member, x, guarded=True, xp=xp)  # (..., t, d)
    return xp.astype(new, dtype, copy=False)
