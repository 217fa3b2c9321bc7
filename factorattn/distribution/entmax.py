"""Alpha-entmax (Peters, Niculae and Martins 2019): between softmax (alpha = 1) and sparsemax (alpha = 2), and beyond.

    p = argmax_{p >= 0, sum p = 1} p . a + H_alpha(p),   H_alpha(p) = sum_j (p_j - p_j^alpha) / (alpha (alpha - 1))
      = max(1 + (alpha - 1) (a - lambda), 0)^(1 / (alpha - 1)),   lambda such that sum p = 1

For every alpha above 1 low scores get exactly zero, the more of them the larger alpha is.
"""

import math
from numbers import Real
from typing import Any

from array_api_compat import array_namespace

from factorattn.catalogue import Distribution
from factorattn.contract import check, working_precision
from factorattn.distribution.rows import below_top
from factorattn.distribution.simplex_gradient import by_order, pull_scores
from factorattn.distribution.softmax import softmax
from factorattn.distribution.sparsemax import sparsemax
from factorattn.interpret.gradient_implicit import with_derivative
from factorattn.interpret.gradient_shapes import like, onto
from factorattn.scalars import real

__all__ = ["entmax"]

INPUTS = "a: ... m, alpha?: ..."
DEFAULT = 1.5


@Distribution(inputs=INPUTS, time="m", memory="m", paper="peters2019")
def entmax(a: Any, alpha: Any | None = None) -> Any:
    """Alpha-entmax of each row.

    Parameters
    ----------
    a : array, shape (..., m)
        Scores; -inf where a key is not seen.
    alpha : float or array that broadcasts to the batch axes (...), optional
        By default 1.5. 1 is softmax, 2 is sparsemax. A float of 1, 1.5 or 2 is computed exactly (by sorting),
        everything else by bisection to rounding. An array holds one alpha a row, a head, ...; weights are NaN where
        it is below 1.

    Returns
    -------
    p : array, shape (..., m), result dtype of the inputs
        Sums to one; zeros in a row of -inf. Scores of +inf share the weight.

    Raises
    ------
    ValueError
        If a number `alpha` is below 1.

    Notes
    -----
    For alpha above 2 weights near zero change without bound as scores do: rounding of a is magnified there.

    References
    ----------
    Peters, Niculae and Martins, "Sparse Sequence-to-Sequence Models", 2019. arXiv:1905.05702
    """
    alpha = DEFAULT if alpha is None else alpha
    if isinstance(alpha, Real):
        if not real(alpha=alpha) >= 1:
            raise ValueError(f"alpha must be at least 1, got {alpha!r}")
        exact = EXACT.get(float(alpha))
        if exact is not None:
            return exact(a)
        xp, size = check(INPUTS, a=a, alpha=None)
        if size["m"] == 0:
            return a
        dtype, (a,) = working_precision(a, xp=xp)
        return xp.astype(_bisect(a, float(alpha) - 1.0), dtype, copy=False)
    xp, size = check(INPUTS, a=a, alpha=alpha)
    dtype, (a, alpha) = working_precision(a, alpha, xp=xp)
    if size["m"] == 0:
        return xp.astype(a + 0.0 * alpha[..., None], dtype, copy=False)
    order = alpha[..., None] - 1.0  # (..., 1)
    return xp.astype(_bisect(a, xp.where(order < 0, xp.nan, order)), dtype, copy=False)


def _entmax15(a):
    """Alpha = 1.5, by sorting (Peters et al. 2019, section on the exact algorithm): p = max(a / 2 - tau, 0)^2."""
    xp, size = check(INPUTS, a=a, alpha=None)
    if size["m"] == 0:
        return a
    dtype, (a,) = working_precision(a, xp=xp)
    return xp.astype(_sort(a), dtype, copy=False)


@with_derivative(lambda p, a: (lambda g, xp: pull_scores(g, p, 0.5, xp=xp),))
def _sort(a):
    xp = array_namespace(a)
    x, empty = below_top(a, xp=xp)
    x = xp.maximum(x / 2, -1.0)  # tau >= -1: what lies below gets zero, wherever it lies
    falling = xp.sort(x, axis=-1, descending=True)
    k = xp.arange(1, x.shape[-1] + 1, dtype=x.dtype, device=x.device)
    mean = xp.cumulative_sum(falling, axis=-1) / k
    spread = xp.cumulative_sum(falling * falling, axis=-1) / k - mean * mean
    taus = mean - xp.sqrt(xp.maximum(1.0 / k - spread, 0.0))
    support = xp.sum(xp.astype(taus <= falling, xp.int64), axis=-1, keepdims=True)  # (..., 1)
    support = xp.maximum(support, xp.ones_like(support))  # NaN compares as false
    tau = xp.take_along_axis(taus, support - 1, axis=-1)
    # One step of Newton's method: the running sums have rounded more often than these.
    root = xp.maximum(x - tau, 0.0)
    slope = 2 * xp.sum(root, axis=-1, keepdims=True)
    tau = xp.maximum(tau + (xp.sum(root * root, axis=-1, keepdims=True) - 1.0) / slope, -1.0)
    root = xp.maximum(x - xp.where(empty, 0.0, tau), 0.0)
    return root * root


def _pulls(p, a, order):
    like_a, like_order = like(a), like(order)
    return (
        lambda g, xp: onto(pull_scores(g, p, order, xp=xp), like_a, xp=xp),
        lambda g, xp: onto(g * by_order(p, order, xp=xp), like_order, xp=xp),
    )


@with_derivative(_pulls)
def _bisect(a, order):
    """Any alpha = 1 + order: halve the interval that holds lambda until it is as short as rounding."""
    xp = array_namespace(a)
    if not isinstance(order, float):  # softmax, the limit, to rounding
        order = xp.where(order == 0, float(xp.finfo(a.dtype).eps), order)
    x, _ = below_top(a, xp=xp)
    x = xp.maximum(x, -2.0 / order)  # what lies below -1 / order gets zero, wherever it lies
    # lambda is 0 if one key has all the weight, and at its largest if all m keys share it.
    m = x.shape[-1]
    width = _largest_lambda(m, order, xp=xp)
    low = xp.zeros((*x.shape[:-1], 1), dtype=x.dtype, device=x.device)
    for _ in range(2 - math.floor(math.log2(float(xp.finfo(x.dtype).eps)))):
        width = width / 2
        total = xp.sum(_weights(x, low + width, order, xp=xp), axis=-1, keepdims=True)
        low = xp.where(total >= 1, low + width, low)
    p = _weights(x, low, order, xp=xp)
    # What rounding left of the sum goes to each weight as a step of lambda would: in proportion to p^(2 - alpha).
    share = xp.where(p > 0, xp.where(p > 0, p, 1.0) ** (1.0 - order), 0.0)
    total = xp.sum(share, axis=-1, keepdims=True)
    rest = (1.0 - xp.sum(p, axis=-1, keepdims=True)) / xp.where(total == 0, 1.0, total)
    return xp.maximum(p + rest * share, 0.0)


def _largest_lambda(m, order, *, xp):
    if isinstance(order, float):
        return -math.expm1(-order * math.log(m)) / order
    return -xp.expm1(-order * math.log(m)) / order


def _weights(x, shift, order, *, xp):
    """max(1 + order (x - shift), 0)^(1 / order), accurate also where order is near zero."""
    u = order * (x - shift)
    out = u <= -1
    return xp.where(out, 0.0, xp.exp(xp.log1p(xp.where(out, 0.0, u)) / order))


EXACT = {1.0: softmax, 1.5: _entmax15, 2.0: sparsemax}
