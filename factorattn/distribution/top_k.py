"""Top-k: softmax over the k largest scores (Gupta et al. 2021).

    p_j = exp(a_j) / sum_{l in K} exp(a_l)  if j in K, else 0,   K the k largest, the first of equals

Exactly k keys are kept, also where scores tie.
"""

from typing import Any

from factorattn.catalogue import Distribution
from factorattn.contract import check, working_precision
from factorattn.distribution.rows import capped
from factorattn.primitives.gather import are_leaders
from factorattn.primitives.pairs import softmax_weights

__all__ = ["top_k"]

INPUTS = "a: ... m, k = t"


@Distribution(inputs=INPUTS, time="m", memory="m", paper="gupta2021")
def top_k(a: Any, *, k: int) -> Any:
    """Softmax of the k largest scores of each row.

    Parameters
    ----------
    a : array, shape (..., m)
        Scores; -inf where a key is not seen.
    k : int
        Number of keys that are kept; all, where there are no more than that.

    Returns
    -------
    p : array, shape (..., m), dtype of `a`
        Sums to one; zeros in a row of -inf. Scores of +inf share the weight.

    Notes
    -----
    Many implementations keep every score that is not below the k-th largest: more than k where scores tie.

    References
    ----------
    Gupta, Dar, Goodman, Ciprut and Berant, "Memory-efficient Transformers via Top-k Attention", 2021.
    arXiv:2106.06899
    """
    xp, size = check(INPUTS, a=a, k=k)
    dtype, (a,) = working_precision(a, xp=xp)
    a = capped(a, xp=xp)
    if size["t"] < size["m"]:
        a = xp.where(are_leaders(a, size["t"], xp=xp) | xp.isnan(a), a, -xp.inf)
    return xp.astype(softmax_weights(a, xp=xp)[0], dtype, copy=False)
