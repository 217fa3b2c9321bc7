"""How entmax changes with alpha (Correia, Niculae and Martins 2019), so that alpha can be learned.

    dp_i / dalpha = (p_i - s_i) / (alpha - 1)^2 + (h_i - s_i sum_j h_j) / (alpha - 1)
    s_i = p_i^(2 - alpha) / sum_j p_j^(2 - alpha),   h_i = -p_i log p_i,   i and j in the support

At alpha = 1 both terms are infinite and their sum is not: `factorattn.distribution.simplex_gradient` tells how it is
computed.
"""

from numbers import Real
from typing import Any

from factorattn.contract import check, working_precision
from factorattn.distribution.entmax import DEFAULT, entmax
from factorattn.distribution.simplex_gradient import by_order

__all__ = ["entmax_alpha_gradient"]

INPUTS = "a: ... m, alpha?: ..."


def entmax_alpha_gradient(a: Any, alpha: Any | None = None) -> Any:
    """The derivative of `entmax` with respect to alpha.

    Parameters
    ----------
    a : array, shape (..., m)
        Scores; -inf where a key is not seen.
    alpha : float or array that broadcasts to the batch axes (...), optional
        As in `entmax`.

    Returns
    -------
    dp : array, shape (..., m), result dtype of the inputs
        Sums to zero; zero outside the support.

    Notes
    -----
    Where a score is just about to enter the support there are two derivatives; this is the one of its being outside.

    References
    ----------
    Correia, Niculae and Martins, "Adaptively Sparse Transformers", 2019. arXiv:1909.00015
    """
    alpha = DEFAULT if alpha is None else alpha
    number = isinstance(alpha, Real)
    xp, _ = check(INPUTS, a=a, alpha=None if number else alpha)
    dtype, (a, *given) = working_precision(*((a,) if number else (a, alpha)), xp=xp)
    p = entmax(a, *given) if given else entmax(a, alpha)
    order = given[0][..., None] - 1.0 if given else float(alpha) - 1.0
    return xp.astype(by_order(p, order, xp=xp), dtype, copy=False)
