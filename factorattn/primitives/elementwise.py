"""Functions of numbers and rows that stay in range: what an overflow, an empty row or a row of zeros would break.

    sigmoid(x) = 1 / (1 + e^-x),   elu(x) + 1 = x + 1 if x > 0, else e^x
    unit_rows(x)_i = x_i / |x_i|,   log_sum_exp(x) = log sum_j e^x_j

None exponentiates a number above zero. Where a formula has two branches, each is smooth where they meet.
"""

from typing import Any

from factorattn.primitives.pairs import finite_top

__all__ = ["elu", "elu_plus_one", "log_sigmoid", "log_sum_exp", "relu", "root", "sigmoid", "unit_rows"]


def sigmoid(x: Any, *, xp: Any) -> Any:
    """1 / (1 + exp(-x)), with all digits also where it is small."""
    negative = x < 0
    small = xp.exp(xp.where(negative, x, -x))
    return xp.where(negative, small, 1.0) / (1.0 + small)


def log_sigmoid(x: Any, *, xp: Any) -> Any:
    """log(1 / (1 + exp(-x))), accurate for large arguments of either sign."""
    return xp.minimum(x, xp.zeros_like(x)) - xp.log1p(xp.exp(-xp.abs(x)))


def relu(x: Any, *, xp: Any) -> Any:
    """The larger of x and 0; NaN stays, and the slope at 0 is 0."""
    return xp.where(x <= 0, 0.0, x)


def elu(x: Any, *, xp: Any) -> Any:
    """Exponential linear unit: x above zero, exp(x) - 1 below, with all digits also near zero."""
    return xp.where(x > 0, x, xp.expm1(xp.where(x > 0, 0.0, x)))


def elu_plus_one(x: Any, *, xp: Any) -> Any:
    """Positive features: x + 1 above zero, exp(x) below (Katharopoulos et al. 2020)."""
    return xp.where(x > 0, x + 1, xp.exp(xp.where(x > 0, 0.0, x)))


def unit_rows(x: Any, *, xp: Any) -> Any:
    """Rows of x (..., n, d) over their lengths; zero rows stay.

    They are divided by their largest entries first, so that no square overflows or vanishes.
    """
    if x.shape[-1] == 0:
        return x
    top = xp.max(xp.abs(x), axis=-1, keepdims=True)  # (..., n, 1)
    x = x / xp.where(top == 0, 1.0, top)
    length = xp.sqrt(xp.sum(x * x, axis=-1, keepdims=True))
    return x / xp.where(length == 0, 1.0, length)


def root(x: Any, *, xp: Any) -> Any:
    """The square root, whose slope at zero is taken as zero: there, a spread or a distance is at its least."""
    return xp.where(x == 0, 0.0, xp.sqrt(xp.where(x == 0, 1.0, x)))


def log_sum_exp(x: Any, *, axis: int, xp: Any) -> Any:
    """The logarithm of the sum of exponentials along an axis, which stays; -inf where all are, or there are none."""
    if x.shape[axis] == 0:
        return xp.sum(x, axis=axis, keepdims=True) - xp.inf
    top = finite_top(xp.max(x, axis=axis, keepdims=True), xp=xp)
    total = xp.sum(xp.exp(x - top), axis=axis, keepdims=True)
    return xp.where(total == 0, -xp.inf, top + xp.log(xp.where(total == 0, 1.0, total)))
