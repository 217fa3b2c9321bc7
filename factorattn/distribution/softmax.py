"""Softmax: exponentials of the scores, made to sum to one (Bridle 1990).

    p_j = exp(a_j) / sum_l exp(a_l)

Every key that is seen gets some weight.
"""

from typing import Any

from factorattn.catalogue import Distribution
from factorattn.contract import check, working_precision
from factorattn.distribution.rows import capped
from factorattn.primitives.pairs import softmax_weights

__all__ = ["softmax"]

INPUTS = "a: ... m"


@Distribution(inputs=INPUTS, time="m", memory="m", paper="bridle1990")
def softmax(a: Any) -> Any:
    """Softmax of each row.

    Parameters
    ----------
    a : array, shape (..., m)
        Scores; -inf where a key is not seen.

    Returns
    -------
    p : array, shape (..., m), dtype of `a`
        Sums to one; zeros in a row of -inf. Scores of +inf share the weight.

    References
    ----------
    Bridle, "Training Stochastic Model Recognition Algorithms as Networks can Lead to Maximum Mutual Information
    Estimation of Parameters", 1990.
    """
    xp, _ = check(INPUTS, a=a)
    dtype, (a,) = working_precision(a, xp=xp)
    return xp.astype(softmax_weights(capped(a, xp=xp), xp=xp)[0], dtype, copy=False)
