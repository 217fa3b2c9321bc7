"""The exponential and the hyperbolic tangent as arithmetic that vectorises: no call, no branch, no table.

    x = n log 2 + f,  |f| <= log(2)/2        e^f - 1 = f + f^2/2 + f^3 r(f)        e^x = 2^n + 2^n (e^f - 1)

r is the minimax polynomial that leaves e^f an error of 1.6e-8 in float32 and 2.5e-17 in float64. Adding `magic` rounds x / log 2
to the integer n and leaves n + bias in the low bits of the sum, from where a shift moves it into the exponent field: that is 2^n.
Largest relative errors measured: 1.0e-7 (float32) and 1.8e-16 (float64).
"""
import math

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic, overload

__all__ = ["exp_below", "tanh"]

_FORMATS = {
    types.float32: (
        np.float32,
        32,  # bits
        23,  # bits of the fraction
        127,  # bias of the exponent
        0.693115234375,  # log 2 in 14 bits, so that n times it is exact ...
        3.1946184945309415e-05,  # ... and the rest
        (0.0013918719487264752, 0.008357204496860504, 0.04166662320494652, 0.16666631400585175),
    ),
    types.float64: (
        np.float64,
        64,
        52,
        1023,
        0.6931471805592082,
        7.371002565167799e-13,
        (
            2.5095554677111112e-08,
            2.761380686153829e-07,
            2.755728006701698e-06,
            2.4801536388690766e-05,
            0.0001984126985433861,
            0.0013888888905881542,
            0.008333333333332155,
            0.04166666666665136,
            0.16666666666666666,
        ),
    ),
}
_FASTMATH = {"contract"}  # multiply-adds; any further flag would undo the rounding by `magic`


def exp_below(x):
    """e^x for x <= 0, flushed to zero where it would be subnormal; NaN gives NaN."""
    raise NotImplementedError("runs in compiled code only")


def tanh(x):
    """Hyperbolic tangent, without cancellation near zero."""
    raise NotImplementedError("runs in compiled code only")


@overload(exp_below, jit_options={"fastmath": _FASTMATH})
def _exp_below(x):
    split, least = _split(x), _FORMATS[x][0]((1 - _FORMATS[x][3]) * math.log(2))
    zero = _FORMATS[x][0](0)

    def exp_below(x):
        power, rest = split(x)
        return zero if x < least else power + power * rest

    return exp_below


@overload(tanh, jit_options={"fastmath": _FASTMATH})
def _tanh(x):
    split, real = _split(x), _FORMATS[x][0]
    one, two, saturated = real(1), real(2), real(40)  # tanh(20) is 1 in both formats

    def tanh(x):
        size = abs(x)
        twice = saturated if size > two * saturated else two * size  # NaN stays
        power, rest = split(-twice)
        fall = (power - one) + power * rest  # e^-2|x| - 1
        return math.copysign(-fall / (two + fall), x)

    return tanh


@intrinsic
def _power(context, shifted):
    """The low bits of a number, moved into its exponent."""
    bits, fraction = _FORMATS[shifted][1], _FORMATS[shifted][2]

    def codegen(context, builder, signature, args):
        whole = ir.IntType(bits)
        moved = builder.shl(builder.bitcast(args[0], whole), whole(fraction))
        return builder.bitcast(moved, args[0].type)

    return shifted(shifted), codegen


def _split(x):
    """A compiled function that gives 2^n and e^f - 1."""
    real, _, fraction, bias, high, low, r = _FORMATS[x]
    magic, fold = real(1.5 * 2**fraction + bias), real(1 / math.log(2))
    high, low, half = real(-high), real(-low), real(0.5)
    r = tuple(map(real, r))

    @njit(fastmath=_FASTMATH)
    def split(x):
        shifted = x * fold + magic
        n = shifted - magic
        f = (x + n * high) + n * low
        p = r[0]
        for c in r[1:]:
            p = p * f + c
        p = (p * f + half) * f
        power = _power(shifted)
        return power, f + p * f

    return split
