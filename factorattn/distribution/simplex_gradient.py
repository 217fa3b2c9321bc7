"""How weights on the simplex follow their scores, from the weights alone (Peters et al. 2019; Correia et al. 2019).

    p = max(1 + epsilon (a - lambda), 0)^(1 / epsilon),   epsilon = alpha - 1,   lambda such that sum p = 1

    dp_j / da_l = s_j (delta_jl - s_l / sum s),   s_j = p_j^(1 - epsilon) where p_j > 0, else 0
    dp_j / depsilon = (p_j - s_j / sum s) / epsilon^2 + (h_j - s_j sum h / sum s) / epsilon,   h_j = -p_j log p_j

At epsilon = 0 both terms of the second are infinite and their sum is not. With L = -log p and means <.> under p,

    F = (exp(epsilon L) - 1) / epsilon,   D = (exp(epsilon L) - 1 - epsilon L) / epsilon^2
    dp_j / depsilon = p_j (<D> - D_j + L_j <F> - F_j <L>) / (1 + epsilon <F>)

is the same, and finite; this is what is computed. How lambda was found, by sorting or bisection, does not matter.
"""

import math
from typing import Any

__all__ = ["by_order", "pull_scores"]

TERMS = 16  # of the series of exp(x) up to |x| = 1/2, to rounding of float64


def pull_scores(g: Any, p: Any, order: Any, *, xp: Any) -> Any:
    """The cotangent of scores (..., m) from that of their weights p (..., m), of entmax with alpha = 1 + order."""
    s = xp.where(p > 0, xp.where(p > 0, p, 1.0) ** (1.0 - order), p)  # NaN stays
    s = xp.where(xp.isnan(s) & xp.all(g == 0, axis=-1, keepdims=True), 0.0, s)  # unless nobody asks
    total = xp.sum(s, axis=-1, keepdims=True)  # (..., 1)
    mean = xp.sum(s * g, axis=-1, keepdims=True) / xp.where(total == 0, 1.0, total)
    return s * (g - mean)


def by_order(p: Any, order: Any, *, xp: Any) -> Any:
    """The derivative of the weights p (..., m) of entmax with respect to its alpha = 1 + order."""
    surprise = -xp.log(xp.where(p > 0, p, 1.0))  # L (..., m); outside the support any number does
    d = surprise * surprise * _second_remainder(order * surprise, xp=xp)
    f = surprise + order * d
    mean_l, mean_d, mean_f = (xp.sum(p * x, axis=-1, keepdims=True) for x in (surprise, d, f))
    return p * (mean_d - d + surprise * mean_f - f * mean_l) / (1 + order * mean_f)


def _second_remainder(x, *, xp):
    """(exp(x) - 1 - x) / x^2, by its series where the difference would cancel."""
    near = xp.abs(x) < 0.5
    series = xp.zeros_like(x)
    for k in range(TERMS, 1, -1):
        series = series * x + 1.0 / math.factorial(k)  # x^(k - 2) / k!
    far = xp.where(near, 1.0, x)
    return xp.where(near, series, (xp.expm1(far) - far) / (far * far))
