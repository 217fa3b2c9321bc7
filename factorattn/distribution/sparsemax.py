"""Sparsemax (Martins and Astudillo 2016): the point of the simplex that is nearest to the scores.

    p = argmin_{p >= 0, sum p = 1} |p - a|^2 = max(a - tau, 0),   tau = (sum_{j in S} a_j - 1) / |S|

S, the support, is the k largest scores, for the largest k with 1 + k a_(k) > a_(1) + ... + a_(k).
"""

from typing import Any

from array_api_compat import array_namespace

from factorattn.catalogue import Distribution
from factorattn.contract import check, working_precision
from factorattn.distribution.rows import below_top
from factorattn.distribution.simplex_gradient import pull_scores
from factorattn.interpret.gradient_implicit import with_derivative

__all__ = ["sparsemax"]

INPUTS = "a: ... m"


@Distribution(inputs=INPUTS, time="m", memory="m", paper="martins2016")
def sparsemax(a: Any) -> Any:
    """Project each row onto the simplex, exactly, by sorting.

    Parameters
    ----------
    a : array, shape (..., m)
        Scores; -inf where a key is not seen.

    Returns
    -------
    p : array, shape (..., m), dtype of `a`
        Sums to one, and low scores get exactly zero; zeros in a row of -inf. Scores of +inf share the weight.

    Notes
    -----
    Time is that of sorting, m log m; comparisons are not counted.

    References
    ----------
    Martins and Astudillo, "From Softmax to Sparsemax: A Sparse Model of Attention and Multi-Label Classification",
    2016, algorithm 1. arXiv:1602.02068
    """
    xp, size = check(INPUTS, a=a)
    if size["m"] == 0:
        return a
    dtype, (a,) = working_precision(a, xp=xp)
    return xp.astype(_project(a), dtype, copy=False)


@with_derivative(lambda p, a: (lambda g, xp: pull_scores(g, p, 1.0, xp=xp),))
def _project(a):
    xp = array_namespace(a)
    x, empty = below_top(a, xp=xp)
    x = xp.maximum(x, -1.0)  # tau >= -1: what lies below gets zero, wherever it lies
    falling = xp.sort(x, axis=-1, descending=True)
    total = xp.cumulative_sum(falling, axis=-1)
    k = xp.arange(1, x.shape[-1] + 1, dtype=x.dtype, device=x.device)
    support = xp.sum(xp.astype(1.0 + k * falling > total, xp.int64), axis=-1, keepdims=True)  # (..., 1)
    support = xp.maximum(support, xp.ones_like(support))  # NaN compares as false
    tau = xp.take_along_axis(total, support - 1, axis=-1) - 1.0
    support = xp.astype(support, x.dtype)
    tau = tau / support
    # One step of Newton's method: the running sum has rounded more often than this one.
    excess = xp.sum(xp.maximum(x - tau, 0.0), axis=-1, keepdims=True) - 1.0
    tau = xp.maximum(tau + excess / support, -1.0)
    return xp.maximum(x - xp.where(empty, 0.0, tau), 0.0)
