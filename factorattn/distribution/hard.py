"""Hard choice: all weight on one key, the one with the largest score.

    p_j = 1 if j = min argmax_l a_l, else 0

It is the limit of softmax as scores are multiplied by ever larger numbers; among equals the first is taken.
"""

from typing import Any

from factorattn.catalogue import Distribution
from factorattn.contract import check, working_precision
from factorattn.distribution.rows import one_hot

__all__ = ["hard", "largest"]

INPUTS = "a: ... m"


@Distribution(inputs=INPUTS, time="m", memory="m", paper="xu2015")
def hard(a: Any) -> Any:
    """One-hot weights of the largest score of each row.

    Parameters
    ----------
    a : array, shape (..., m)
        Scores; -inf where a key is not seen.

    Returns
    -------
    p : array, shape (..., m), dtype of `a`
        A single 1; zeros in a row of -inf.

    Notes
    -----
    Where this is differentiated the choice is held: the derivative is zero.

    References
    ----------
    Xu et al., "Show, Attend and Tell: Neural Image Caption Generation with Visual Attention", 2015, "hard" attention.
    arXiv:1502.03044
    """
    xp, size = check(INPUTS, a=a)
    if size["m"] == 0:
        return a
    dtype, (a,) = working_precision(a, xp=xp)
    return xp.astype(one_hot(*largest(a, xp=xp), size["m"], xp=xp), dtype, copy=False)


def largest(a: Any, *, xp: Any) -> tuple[Any, Any]:
    """The index (..., 1) of the first largest score of each row; its weight: 0 if none is seen, NaN if one is NaN."""
    top = xp.max(a, axis=-1, keepdims=True)  # (..., 1)
    weight = xp.where(top == -xp.inf, 0.0, xp.where(xp.isnan(top), top, 1.0))
    return xp.argmax(a, axis=-1, keepdims=True), weight
