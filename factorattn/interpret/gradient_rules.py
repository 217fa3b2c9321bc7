"""Derivatives of functions of the array API, entry by entry, and the table of all.

    rule(xp, x, y) = out, (pull_x, pull_y)      pull_x(g, xp) = g d out / d x

Pulls keep only what they need, the result rather than the argument where either would do. Where the derivative is
infinite or NaN, a cotangent of zero is pulled back to zero, so that entries which a `where` left out stay out. Complex
numbers follow the convention of jax: g is multiplied by d out / d x, without a conjugate.
"""

import cmath
import math
from collections.abc import Callable
from typing import Any

from factorattn.interpret.gradient_shapes import SHAPES, like, onto
from factorattn.interpret.gradient_spare import over, spare
from factorattn.interpret.gradient_sums import SUMS

__all__ = ["RULES"]

BY_RESULT: dict[str, Callable] = {  # d out / d x from out
    "exp": lambda y, xp: y,
    "expm1": lambda y, xp: y + 1,
    "tanh": lambda y, xp: 1 - y * y,
    "reciprocal": lambda y, xp: -(y * y),
}
BY_ARGUMENT: dict[str, Callable] = {  # d out / d x from x
    "square": lambda x, xp: 2 * x,
    "sin": lambda x, xp: xp.cos(x),
    "cos": lambda x, xp: -xp.sin(x),
    "tan": lambda x, xp: 1 / xp.square(xp.cos(x)),
    "sinh": lambda x, xp: xp.cosh(x),
    "cosh": lambda x, xp: xp.sinh(x),
    "asin": lambda x, xp: 1 / xp.sqrt((1 - x) * (1 + x)),
    "acos": lambda x, xp: -1 / xp.sqrt((1 - x) * (1 + x)),
    "atan": lambda x, xp: 1 / (1 + x * x),
    "asinh": lambda x, xp: 1 / xp.sqrt(x * x + 1),
    "acosh": lambda x, xp: 1 / (xp.sqrt(x - 1) * xp.sqrt(x + 1)),  # one root of both has another sign left of zero
    "atanh": lambda x, xp: 1 / ((1 - x) * (1 + x)),
    "log1p": lambda x, xp: 1 / (1 + x),
}
LOGARITHMS = {"log": 1.0, "log2": math.log(2), "log10": math.log(10)}


def _by_result(name):
    def rule(xp, x, /):
        y = getattr(xp, name)(x)
        return y, (lambda g, xp: g * spare(BY_RESULT[name](y, xp), g, xp=xp),)

    return rule


def _by_argument(name):
    def rule(xp, x, /):
        return getattr(xp, name)(x), (lambda g, xp: g * spare(BY_ARGUMENT[name](x, xp), g, xp=xp),)

    return rule


def _logarithm(name):
    def rule(xp, x, /):
        return getattr(xp, name)(x), (lambda g, xp: over(g * (1 / LOGARITHMS[name]), x, xp=xp),)

    return rule


def _sqrt(xp, x, /):
    y = xp.sqrt(x)
    return y, (lambda g, xp: over(0.5 * g, y, xp=xp),)


def _positive(xp, x, /):
    return xp.positive(x), (lambda g, xp: g,)


def _negative(xp, x, /):
    return -x, (lambda g, xp: -g,)


def _abs(xp, x, /):
    y = xp.abs(x)
    if xp.isdtype(x.dtype, "complex floating"):
        return y, (lambda g, xp: g * spare(xp.conj(x) / xp.where(y == 0, 1, y), g, xp=xp),)
    return y, (lambda g, xp: g * spare(xp.sign(x), g, xp=xp),)


def _sign(xp, x, /):
    """Constant for real numbers; a complex one turns with its angle."""
    y = xp.sign(x)
    if not xp.isdtype(x.dtype, "complex floating"):
        return y, (None,)
    size = xp.abs(x)

    def pull(g, xp):
        across = g - xp.real(g * y) * xp.conj(y)
        return over(across, xp.where(size == 0, 1, size), xp=xp)

    return y, (pull,)


def _copysign(xp, x, y, /):
    a, out = like(x), xp.copysign(x, y)
    same = xp.equal(xp.signbit(x), xp.signbit(out))
    return out, (lambda g, xp: onto(xp.where(same, g, -g), a, xp=xp), None)


def _add(xp, x, y, /):
    a, b = like(x), like(y)
    return xp.add(x, y), (lambda g, xp: onto(g, a, xp=xp), lambda g, xp: onto(g, b, xp=xp))


def _subtract(xp, x, y, /):
    a, b = like(x), like(y)
    return xp.subtract(x, y), (lambda g, xp: onto(g, a, xp=xp), lambda g, xp: onto(-g, b, xp=xp))


def _multiply(xp, x, y, /):
    a, b = like(x), like(y)
    return xp.multiply(x, y), (
        lambda g, xp: onto(g * spare(y, g, xp=xp), a, xp=xp),
        lambda g, xp: onto(g * spare(x, g, xp=xp), b, xp=xp),
    )


def _divide(xp, x, y, /):
    a, b, out = like(x), like(y), xp.divide(x, y)
    return out, (
        lambda g, xp: onto(over(g, y, xp=xp), a, xp=xp),
        lambda g, xp: onto(-over(g * spare(out, g, xp=xp), y, xp=xp), b, xp=xp),
    )


def _remainder(xp, x, y, /):
    a, b = like(x), like(y)
    quotient = xp.floor_divide(x, y)
    return xp.remainder(x, y), (
        lambda g, xp: onto(g, a, xp=xp),
        lambda g, xp: onto(-(g * spare(quotient, g, xp=xp)), b, xp=xp),
    )


def _pow(xp, x, y, /):
    a, b, out = like(x), like(y), xp.pow(x, y)

    def by_base(g, xp):
        base = xp.where((x == 0) & ((g == 0) | (y == 0)), 1, x)  # 0 x^-1 is nothing
        unsigned = hasattr(y, "dtype") and xp.isdtype(y.dtype, "unsigned integer")
        less = (xp.where(y == 0, 1, y) if unsigned else y) - 1
        return onto(g * spare(y * xp.pow(base, less), g, xp=xp), a, xp=xp)

    def by_power(g, xp):
        slope = _log(x) if a is None else xp.log(xp.where(x == 0, 1, x))
        return onto(g * spare(out * slope, g, xp=xp), b, xp=xp)

    return out, (by_base, by_power)


def _log(x):
    """Of a Python number; what is raised to a power has no slope at 0, and no real one below."""
    if isinstance(x, complex):
        return cmath.log(x) if x else 0.0
    return math.log(x) if x > 0 else (math.nan if x else 0.0)


def _atan2(xp, x, y, /):
    a, b = like(x), like(y)
    return xp.atan2(x, y), (
        lambda g, xp: onto(over(g * spare(y, g, xp=xp), x * x + y * y, xp=xp), a, xp=xp),
        lambda g, xp: onto(-over(g * spare(x, g, xp=xp), x * x + y * y, xp=xp), b, xp=xp),
    )


def _hypot(xp, x, y, /):
    """A length, with derivative zero at zero: nothing over it is nothing."""
    a, b, out = like(x), like(y), xp.hypot(x, y)
    return out, (
        lambda g, xp: onto(over(g * spare(x, g, xp=xp), out, xp=xp), a, xp=xp),
        lambda g, xp: onto(over(g * spare(y, g, xp=xp), out, xp=xp), b, xp=xp),
    )


def _logaddexp(xp, x, y, /):
    a, b, out = like(x), like(y), xp.logaddexp(x, y)
    return out, (
        lambda g, xp: onto(g * spare(xp.exp(xp.subtract(x, out)), g, xp=xp), a, xp=xp),
        lambda g, xp: onto(g * spare(xp.exp(xp.subtract(y, out)), g, xp=xp), b, xp=xp),
    )


def _extreme(name, above):
    """Of two equal numbers, each has half of the derivative."""

    def rule(xp, x, y, /):
        a, b = like(x), like(y)
        share = getattr(xp, above)(x, y)  # where x is the one
        tie = xp.equal(x, y)

        def pull(g, own, to, xp):
            return onto(xp.where(tie, 0.5 * g, xp.where(own, g, 0)), to, xp=xp)

        return getattr(xp, name)(x, y), (
            lambda g, xp: pull(g, share, a, xp),
            lambda g, xp: pull(g, ~share, b, xp),
        )

    return rule


def _clip(xp, x, /, min=None, max=None):
    inside = xp.ones_like(x, dtype=xp.bool)
    inside = inside if min is None else inside & (x >= min)
    inside = inside if max is None else inside & (x <= max)
    a, low, high = like(x), like(min), like(max)
    return xp.clip(x, min, max), (
        lambda g, xp: onto(xp.where(inside, g, 0), a, xp=xp),
        lambda g, xp: onto(xp.where(xp.less(x, min), g, 0), low, xp=xp),
        lambda g, xp: onto(xp.where(xp.greater(x, max), g, 0), high, xp=xp),
    )


def _where(xp, condition, x, y, /):
    a, b = like(x), like(y)
    return xp.where(condition, x, y), (
        None,
        lambda g, xp: onto(xp.where(condition, g, 0), a, xp=xp),
        lambda g, xp: onto(xp.where(condition, 0, g), b, xp=xp),
    )


def _real(xp, x, /):
    if not xp.isdtype(x.dtype, "complex floating"):
        return xp.real(x), (lambda g, xp: g,)
    dtype = x.dtype
    return xp.real(x), (lambda g, xp: xp.astype(g, dtype),)


def _imag(xp, x, /):
    dtype = x.dtype
    if not xp.isdtype(dtype, "complex floating"):
        return xp.imag(x), (None,)
    return xp.imag(x), (lambda g, xp: xp.astype(g, dtype) * -1j,)


def _conj(xp, x, /):
    return xp.conj(x), (lambda g, xp: xp.conj(g) if xp.isdtype(g.dtype, "complex floating") else g,)


RULES: dict[str, Callable[..., Any]] = {
    **{name: _by_result(name) for name in BY_RESULT},
    **{name: _by_argument(name) for name in BY_ARGUMENT},
    **{name: _logarithm(name) for name in LOGARITHMS},
    "sqrt": _sqrt,
    "positive": _positive,
    "negative": _negative,
    "abs": _abs,
    "sign": _sign,
    "copysign": _copysign,
    "add": _add,
    "subtract": _subtract,
    "multiply": _multiply,
    "divide": _divide,
    "remainder": _remainder,
    "pow": _pow,
    "atan2": _atan2,
    "hypot": _hypot,
    "logaddexp": _logaddexp,
    "maximum": _extreme("maximum", "greater"),
    "minimum": _extreme("minimum", "less"),
    "clip": _clip,
    "where": _where,
    "real": _real,
    "imag": _imag,
    "conj": _conj,
    **SHAPES,
    **SUMS,
}
