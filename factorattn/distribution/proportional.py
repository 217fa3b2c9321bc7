"""Weights in proportion to the scores, which are not negative: kernels, for one (Katharopoulos et al. 2020).

    p_j = a_j / sum_l a_l

With the inner product of positive features as the score this is linear attention.
"""

from typing import Any

from factorattn.catalogue import Distribution
from factorattn.contract import check, working_precision

__all__ = ["proportional"]

INPUTS = "a: ... m"


@Distribution(inputs=INPUTS, time="m", memory="m", paper="katharopoulos2020")
def proportional(a: Any) -> Any:
    """Each score divided by the sum of its row.

    Parameters
    ----------
    a : array, shape (..., m)
        Scores that are not negative; -inf where a key is not seen.

    Returns
    -------
    p : array, shape (..., m), dtype of `a`
        Sums to one; zeros in a row of zeros or -inf. Scores of +inf share the weight.

    Notes
    -----
    Negative scores are taken as they are. The sum of a row may then be near zero, and its weights large. Scores are
    divided by the largest of their row first, so that no sum overflows or vanishes.

    References
    ----------
    Katharopoulos et al., "Transformers are RNNs: Fast Autoregressive Transformers with Linear Attention", 2020,
    section 3. arXiv:2006.16236
    """
    xp, size = check(INPUTS, a=a)
    if size["m"] == 0:
        return a
    dtype, (a,) = working_precision(a, xp=xp)
    a = xp.where(a == -xp.inf, 0.0, a)
    top = xp.max(xp.abs(a), axis=-1, keepdims=True)  # (..., 1)
    a = xp.where(top == xp.inf, xp.astype(a == xp.inf, a.dtype), a)
    a = a / xp.where((top == 0) | (top == xp.inf), 1.0, top)
    total = xp.sum(a, axis=-1, keepdims=True)  # (..., 1)
    return xp.astype(a / xp.where(total == 0, 1.0, total), dtype, copy=False)
