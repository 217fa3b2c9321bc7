"""Matrices in memory, whatever their strides, to and from scratch arrays that hold their transposes in lanes.

    out[j, i] += factor x[i, j]        -inf in x, and False in a mask, set -inf

Squares as wide as a vector are transposed in registers by log2(width) rounds of shuffles. They come straight from
memory where the matrix is contiguous along j; at its edges, and for other strides, a copied square stands in.
"""

import math

import numpy as np
from llvmlite import ir
from numba import njit, types

from factorattn.primitives.register_tile_numba import INDEX, ROW_BYTES, VECTOR_BYTES, Lanes, Vectors, intrinsic

__all__ = ["add_matrix", "set_apart", "write_matrix", "write_number"]


@intrinsic
def _add_transposed(context, factor, number, source, source_row, target, target_row):
    """Add factor times the transpose of a square to another, or where it has -inf (a mask, False) put -inf.

    The type of `number` is that of the source: the floating type of `factor`, or uint8 for a mask.
    """

    def codegen(context, builder, signature, args):
        v = Vectors(builder, factor)
        factor_, _, source, source_row, target, target_row = args
        never = v.constant(-math.inf)
        places = [v.at(source, builder.mul(source_row, INDEX(r))) for r in range(v.width)]
        if isinstance(number, types.Float):
            times = v.spread(factor_)
            rows = [v.load(place) * times for place in places]
        else:
            octets = ir.VectorType(ir.IntType(8), v.width)
            rows = []
            for place in places:
                seen = builder.load(builder.inttoptr(place, octets.as_pointer()))
                seen.align = 1
                seen = Lanes(v, builder.icmp_unsigned("!=", seen, ir.Constant(octets, None)))
                rows.append(seen.choose(v.constant(0.0), never))
        for r, x in enumerate(_transpose(v, rows)):
            there = v.at(target, builder.mul(target_row, INDEX(r)))
            v.store(x.equals(never).choose(never, v.load(there) + x), there)
        return context.get_dummy_value()

    return types.void(factor, number, *[types.intp] * 4), codegen


def _transpose(v, rows):
    half = v.width // 2
    while half:  # swap the off-diagonal quarters of every square of 2 * half rows
        low = [i - half + v.width if i & half else i for i in range(v.width)]
        high = [i + v.width if i & half else i + half for i in range(v.width)]
        for r in range(v.width):
            if not r & half:
                x, y = rows[r], rows[r + half]
                rows[r], rows[r + half] = v.shuffle(x, y, low), v.shuffle(x, y, high)
        half //= 2
    return rows


@intrinsic
def _load(context, number, address):
    """The number, of the type of `number`, at a byte address."""

    def codegen(context, builder, signature, args):
        return builder.load(builder.inttoptr(args[1], context.get_value_type(number).as_pointer()))

    return number(number, types.intp), codegen


@intrinsic
def write_number(context, number, address):
    """Put a number at a byte address."""

    def codegen(context, builder, signature, args):
        builder.store(args[0], builder.inttoptr(args[1], context.get_value_type(number).as_pointer()))
        return context.get_dummy_value()

    return types.void(number, types.intp), codegen


@njit
def add_matrix(out, factor, square, x, row, column, rows, columns):
    """out[:columns, :rows] += factor x^T for x at a byte address with byte strides; `square` is scratch of its type.

    Writes to whole squares: beyond `rows` and `columns`, out is left undefined.
    """
    width = VECTOR_BYTES // out.itemsize
    number = square[0, 0]
    for i in range(0, rows, width):
        for j in range(0, columns, width):
            source, source_row = x + i * row + j * column, row
            if column != square.itemsize or i + width > rows or j + width > columns:
                for a in range(min(width, rows - i)):
                    for b in range(min(width, columns - j)):
                        square[a, b] = _load(number, source + a * row + b * column)
                source, source_row = square.ctypes.data, square.strides[0]
            target = out.ctypes.data + j * ROW_BYTES + i * out.itemsize
            _add_transposed(factor, number, source, source_row, target, ROW_BYTES)


@njit
def write_matrix(o, square, x, row, rows, columns):
    """Write o[:columns, :rows]^T over zeros at the byte address x, in contiguous rows `row` bytes apart."""
    width = square.shape[0]
    one = o.dtype.type(1)
    for i in range(0, rows, width):
        for j in range(0, columns, width):
            source, target = o.ctypes.data + j * ROW_BYTES + i * o.itemsize, x + i * row + j * o.itemsize
            if i + width <= rows and j + width <= columns:
                _add_transposed(one, one, source, ROW_BYTES, target, row)
            else:
                square[:] = 0
                _add_transposed(one, one, source, ROW_BYTES, square.ctypes.data, square.strides[0])
                for a in range(min(width, rows - i)):
                    for b in range(min(width, columns - j)):
                        write_number(square[a, b], target + a * row + b * o.itemsize)


@njit
def set_apart(v, row, column, logits, o, clean):
    """Copy values, zeros for those that are not finite; add these to the outputs of the queries that see their keys."""
    for j in range(logits.shape[0]):
        for c in range(o.shape[0]):
            value = _load(o[0, 0], v + j * row + c * column)
            clean[j, c] = value if np.isfinite(value) else 0
            if not np.isfinite(value):
                for i in range(o.shape[1]):
                    if logits[j, i] != -np.inf:
                        o[c, i] += value
