"""The exponential as arithmetic on vectors, and with it softmax's weights and the softcap.

    x = n log 2 + f,  |f| <= log(2)/2        e^f - 1 = f + f^2/2 + f^3 r(f)        e^x = 2^n + 2^n (e^f - 1)

No call, no branch, no table: r is the minimax polynomial, which leaves e^f an error of 1.6e-8 in float32 and 2.5e-17
in float64. Adding `magic` rounds x / log 2 to the integer n and leaves n + bias in the low bits of the sum; a shift
moves it from there into the field of the exponent, and that is 2^n. Largest relative errors measured: 9.8e-8 and
1.8e-16 for the exponential, 1.6e-7 and 4.2e-16 for the hyperbolic tangent (float32 and float64).
"""

import math
from typing import NamedTuple

from llvmlite import ir
from numba import types

from factorattn.primitives.register_tile_numba import INDEX, ROW_BYTES, VECTOR_BYTES, VECTORS, Lanes, Vectors, intrinsic

__all__ = ["soften", "weigh"]


class _Format(NamedTuple):
    bits: int
    fraction: int  # bits of it
    bias: int  # of the exponent
    log2_high: float  # so few bits that n times it is exact
    log2_low: float
    r: tuple[float, ...]  # highest power first


_FORMATS = {
    4: _Format(
        32,
        23,
        127,
        0.693115234375,
        3.1946184945309415e-05,
        (0.0013918719487264752, 0.008357204496860504, 0.04166662320494652, 0.16666631400585175),
    ),
    8: _Format(
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


def _split(v, x):
    """2^n and e^f - 1 for x <= 0."""
    form = _FORMATS[v.bytes]
    magic = 1.5 * 2**form.fraction + form.bias
    shifted = x * (1 / math.log(2)) + magic
    n = shifted - magic
    f = x - n * form.log2_high - n * form.log2_low
    p = v.constant(form.r[0])
    for c in form.r[1:]:
        p = p * f + c
    p = (p * f + 0.5) * f
    whole = ir.VectorType(ir.IntType(form.bits), v.width)
    moved = v.builder.shl(v.builder.bitcast(shifted.value, whole), ir.Constant(whole, [form.fraction] * v.width))
    return Lanes(v, v.builder.bitcast(moved, v.type)), p * f + f


def exp_below(v, x):
    """IR of e^x for x <= 0: zero where that would be subnormal, NaN for NaN."""
    power, rest = _split(v, x)
    least = (1 - _FORMATS[v.bytes].bias) * math.log(2)
    return (x < least).choose(v.constant(0.0), power * rest + power)


def tanh_below(v, x):
    """IR of tanh(x) for x <= 0, without cancellation near zero: u / (u + 2) with u = e^2x - 1. NaN for NaN."""
    x = x + x
    power, rest = _split(v, (x < -40.0).choose(v.constant(-40.0), x))  # tanh(-20) is -1 in both formats
    fall = (power - 1.0) + power * rest
    return fall / (fall + 2.0)


@intrinsic
def weigh(context, like, s, keys, top, total, fade, vectors):
    """One chunk of streaming softmax: the first `vectors` vectors of the rows of s (keys, lanes) and of three rows.

    top' = max(top, max_j s_j),  fade = e^(top - top'),  s_j' = e^(s_j - top'),  total' = fade total + sum_j s_j'
    """

    def codegen(context, builder, signature, args):
        v, vectors = Vectors(builder, like), args[-1]
        for count in range(1, VECTORS + 1):
            with builder.if_then(builder.icmp_signed("==", vectors, INDEX(count))):
                _emit_weigh(v, [VECTOR_BYTES * j for j in range(count)], *args[1:-1])
        return context.get_dummy_value()

    return types.void(like, *[types.intp] * 6), codegen


def _emit_weigh(v, columns, s, keys, top, total, fade):
    def highest(at, *tops):
        row = [v.load(v.at(at, column)) for column in columns]
        return v.at(at, ROW_BYTES), *((t < x).choose(x, t) for x, t in zip(row, tops, strict=True))

    olds = [v.load(v.at(top, column)) for column in columns]
    news = v.loop(keys, [s, *olds], highest)[1:]
    # A query that has met no key yet has top = -inf, which must not be subtracted from itself.
    shifts = [x.equals(-math.inf).choose(v.constant(0.0), x) for x in news]
    fades = [exp_below(v, old - shift) for old, shift in zip(olds, shifts, strict=True)]

    def replace(at, *totals):
        logits = [v.load(v.at(at, column)) for column in columns]
        weights = [exp_below(v, x - shift) for x, shift in zip(logits, shifts, strict=True)]
        for x, column in zip(weights, columns, strict=True):
            v.store(x, v.at(at, column))
        return v.at(at, ROW_BYTES), *(t + x for t, x in zip(totals, weights, strict=True))

    # The chunk is summed by itself and then added: rounding grows with the chunk and the number of chunks, not with m.
    parts = v.loop(keys, [s, *(v.constant(0.0) for _ in columns)], replace)[1:]
    befores = [v.load(v.at(total, column)) * x for x, column in zip(fades, columns, strict=True)]
    totals = [part + before for part, before in zip(parts, befores, strict=True)]
    for row, values in ((top, news), (total, totals), (fade, fades)):
        for x, column in zip(values, columns, strict=True):
            v.store(x, v.at(row, column))


@intrinsic
def soften(context, cap, s, keys):
    """In rows of s (keys, lanes): s = cap tanh(s / cap)."""

    def codegen(context, builder, signature, args):
        v = Vectors(builder, cap)
        number, s, keys = args
        bound = v.spread(number)

        def replace(at):
            x = v.load(at) / bound
            negative = x < 0.0
            low = tanh_below(v, negative.choose(x, v.constant(0.0) - x))
            v.store(negative.choose(low, v.constant(0.0) - low) * bound, at)
            return (v.at(at, VECTOR_BYTES),)

        v.loop(builder.mul(keys, INDEX(VECTORS)), [s], replace)
        return context.get_dummy_value()

    return types.void(cap, types.intp, types.intp), codegen
