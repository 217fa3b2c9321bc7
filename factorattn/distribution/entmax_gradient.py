"""How entmax changes with alpha (Correia, Niculae and Martins 2019), so that alpha can be learned.

    dp_i / dalpha = (p_i - s_i) / (alpha - 1)^2 + (h_i - s_i sum_j h_j) / (alpha - 1)
    s_i = p_i^(2 - alpha) / sum_j p_j^(2 - alpha),   h_i = -p_i log p_i,   i and j in the support

At alpha = 1 both terms are infinite and their sum is not. With L_i = -log p_i, epsilon = alpha - 1, means <.> under p,

    F_i = (exp(epsilon L_i) - 1) / epsilon,   D_i = (exp(epsilon L_i) - 1 - epsilon L_i) / epsilon^2
    dp_i / dalpha = p_i ( <D> - D_i + L_i <F> - F_i <L> ) / (1 + epsilon <F>)

is the same, and finite; this is what is computed.
"""

import math
from numbers import Real
from typing import Any

from factorattn.contract import check, working_precision
from factorattn.distribution.entmax import DEFAULT, entmax

__all__ = ["entmax_alpha_gradient"]

INPUTS = "a: ... m, alpha?: ..."
TERMS = 16  # of the series of exp(x) up to |x| = 1/2, to rounding of float64


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
    surprise = -xp.log(xp.where(p > 0, p, 1.0))  # L (..., m); outside the support any number does
    d = surprise * surprise * _second_remainder(order * surprise, xp=xp)
    f = surprise + order * d
    mean_l, mean_d, mean_f = (xp.sum(p * x, axis=-1, keepdims=True) for x in (surprise, d, f))
    dp = p * (mean_d - d + surprise * mean_f - f * mean_l) / (1 + order * mean_f)
    return xp.astype(dp, dtype, copy=False)


def _second_remainder(x, *, xp):
    """(exp(x) - 1 - x) / x^2, by its series where the difference would cancel."""
    near = xp.abs(x) < 0.5
    series = xp.zeros_like(x)
    for k in range(TERMS, 1, -1):
        series = series * x + 1.0 / math.factorial(k)  # x^(k - 2) / k!
    far = xp.where(near, 1.0, x)
    return xp.where(near, series, (xp.expm1(far) - far) / (far * far))
