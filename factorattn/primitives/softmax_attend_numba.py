"""Streaming softmax on the processor: blocks of queries in the lanes of vector registers, keys passing by in chunks.

    S^T = K Q^T,   P^T = exp(S^T - t),   O^T = fade O^T + V^T P^T

Every row of S^T belongs to a key and every lane to a query. So a query's maximum and sum run down its lane, with no reduction
across lanes; Q^T and P^T are the operands that vectors load; and K and V are those that are broadcast number by number, which
lets them be read where they lie, whatever their strides, and never copied. Threads draw blocks of queries by lot; a block's
result depends on nothing but its own rows, so neither the lot nor the rest of the batch can change it.
"""
import math
from threading import Lock

import numpy as np
from numba import carray, config, get_num_threads, njit, prange, uint8

from factorattn.primitives.dispatch import Unsupported
from factorattn.primitives.exponential_numba import exp_below, tanh
from factorattn.primitives.register_tile_numba import (
    VECTOR_BYTES,
    VECTORS,
    add_transposed,
    load,
    multiply,
    multiply_onto,
    pointer,
    take_ticket,
)

__all__ = ["softmax_attend"]

CHUNK_BYTES = 192 * 256  # of logits: they stay in the second-level cache, and mostly in the first
_FASTMATH = {"contract"}  # multiply-adds; NaN and infinity keep their meaning
_Q, _K, _V, _BIAS, _MASK, _O, _LSE = range(7)
_team = Lock()  # Numba's own threading layer runs one parallel region at a time


def softmax_attend(q, k, v, /, *, scale, softcap=None, bias=None, mask=None, band=(None, None)):
    """The primitive `softmax_attend` for float32 and float64 NumPy arrays."""
    if config.DISABLE_JIT:
        raise Unsupported("NUMBA_DISABLE_JIT is set, and the kernel exists in compiled code only")
    if not q.dtype == k.dtype == v.dtype:
        raise Unsupported(f"the kernel needs one dtype, got {q.dtype}, {k.dtype} and {v.dtype}")
    if q.dtype not in (np.float32, np.float64) or not q.dtype.isnative:
        raise Unsupported(f"the kernel computes in native float32 and float64, got {q.dtype}")
    dtype, (n, d), (m, e) = q.dtype, q.shape[-2:], v.shape[-2:]
    if bias is None:
        bias = np.zeros((1, 1), dtype)
        biased = False
    else:
        biased = True
    masked = mask is not None
    mask = np.ones((1, 1), np.bool_) if mask is None else mask
    bias = bias.astype(dtype, copy=False)
    batch = np.broadcast_shapes(*(x.shape[:-2] for x in (q, k, v, bias, mask)))
    o, lse = np.empty((*batch, n, e), dtype), np.empty((*batch, n), dtype)
    tables = [(q, (n, d)), (k, (m, d)), (v, (m, e)), (bias, (n, m)), (mask, (n, m)), (o, (n, e)), (lse[..., None], (n, 1))]
    views = [np.broadcast_to(x, (*batch, *shape)) for x, shape in tables]
    addresses = np.stack([_addresses(x) for x in views])  # (7, members)
    strides = np.array([x.strides[-2:] for x in views])
    lo, hi = (bound if bound is not None else side * (n + m) for side, bound in zip((-1, 1), band, strict=True))
    lo, hi = max(lo, -n - m), min(hi, n + m)
    sizes = np.array([n, m, d, e, lo, hi, biased, masked])
    blocks = addresses.shape[1] * -(-n // (VECTORS * VECTOR_BYTES // dtype.itemsize))
    if not blocks:
        return o, lse
    with _team:
        threads = min(get_num_threads(), blocks)
        _attend(addresses, strides, sizes, dtype.type(scale), dtype.type(softcap or 0), np.zeros(1, np.intp), threads)
    return o, lse


def _addresses(x):
    """The byte address of every batch member of x (..., n, d), in order: (members,)."""
    out = np.array(x.__array_interface__["data"][0], np.intp)
    for size, stride in zip(x.shape[:-2], x.strides[:-2], strict=True):
        out = out[..., None] + np.arange(size) * stride
    return out.reshape(-1)


@njit(parallel=True, nogil=True, cache=True)
def _attend(addresses, strides, sizes, scale, softcap, tickets, threads):
    for _ in prange(threads):
        _work(addresses, strides, sizes, scale, softcap, tickets.ctypes.data)


@njit(nogil=True)
def _scratch(like, rows, columns):
    """An array that starts on a cache line."""
    size = rows * columns
    room = np.empty(size + 64 // like.itemsize, like.dtype)
    start = -room.ctypes.data % 64 // like.itemsize
    return room[start : start + size].reshape(rows, columns)


@njit(nogil=True, fastmath=_FASTMATH)
def _work(addresses, strides, sizes, scale, softcap, tickets):
    """Draw blocks of queries and attend for them until none is left."""
    n, m, d, e, lo, hi, biased, masked = sizes
    like = np.empty(1, np.asarray(scale).dtype)
    width = VECTOR_BYTES // like.itemsize
    lanes = VECTORS * width
    chunk = CHUNK_BYTES // (lanes * like.itemsize)
    qt, ot = _scratch(like, d, lanes), _scratch(like, e, lanes)
    s = _scratch(like, chunk, lanes)
    table = _scratch(like, width, chunk)
    clean = np.empty((chunk, e), like.dtype)
    top, total, shift, fade = _scratch(like, 4, lanes)
    per_member = (n + lanes - 1) // lanes
    blocks = addresses.shape[1] * per_member
    minus = -np.inf
    zero = like.dtype.type(0)
    while True:
        block = take_ticket(tickets)
        if block >= blocks:
            break
        at = addresses[:, block // per_member]
        first = block % per_member * lanes
        rows = min(lanes, n - first)
        vectors = (rows + width - 1) // width
        used = vectors * width
        # Q^T
        for c in range(d):
            for i in range(rows):
                qt[c, i] = load(scale, at[_Q] + (first + i) * strides[_Q, 0] + c * strides[_Q, 1]) * scale
            for i in range(rows, used):
                qt[c, i] = 0
        start = min(max(first + lo, 0), m)
        stop = max(min(first + rows + hi, m), start)
        guarded = biased or masked or start < first + rows - 1 + lo or first + hi + 1 < stop
        for careful in range(2):
            ot[:] = 0
            top[:] = minus
            total[:] = 0
            for begin in range(start, stop, chunk):
                cols = min(chunk, stop - begin)
                multiply(scale, at[_K] + begin * strides[_K, 0], strides[_K, 0], strides[_K, 1], cols, d,
                         qt.ctypes.data, s.ctypes.data, vectors)
                if softcap != 0:
                    inverse = 1 / softcap
                    for j in range(cols):
                        for i in range(lanes):
                            s[j, i] = softcap * tanh(s[j, i] * inverse)
                if biased or masked:
                    for g in range(vectors):
                        for r in range(min(width, rows - g * width)):
                            i = first + g * width + r
                            _fill(table[r], cols, scale, biased, masked,
                                  at[_BIAS] + i * strides[_BIAS, 0] + begin * strides[_BIAS, 1], strides[_BIAS, 1],
                                  at[_MASK] + i * strides[_MASK, 0] + begin * strides[_MASK, 1], strides[_MASK, 1])
                        for j in range(0, cols, width):
                            add_transposed(scale, table[:, j:].ctypes.data, chunk * like.itemsize, s[j, g * width :].ctypes.data)
                if begin < first + rows - 1 + lo or begin + cols - 1 > first + hi:
                    for j in range(cols):
                        s[j, : max(begin + j - hi - first, 0)] = minus
                        s[j, max(begin + j - lo - first + 1, 0) :] = minus
                # softmax
                _weights(s, cols, vectors, width, top, total, shift, fade)
                values, v_row, v_col = at[_V] + begin * strides[_V, 0], strides[_V, 0], strides[_V, 1]
                multiply_onto(scale, values, v_col, v_row, e, cols, s.ctypes.data, ot.ctypes.data, fade.ctypes.data, vectors)
            break
        for i in range(rows):
            t = total[i]
            inverse = 1 / t if t != 0 else zero
            for c in range(e):
                pointer_o = carray(pointer(scale, at[_O] + (first + i) * strides[_O, 0]), e)
                pointer_o[c] = ot[c, i] * inverse
            carray(pointer(scale, at[_LSE] + (first + i) * strides[_LSE, 0]), 1)[0] = top[i] + math.log(t) if t != 0 else minus


@njit(nogil=True, fastmath=_FASTMATH)
def _weights(s, cols, vectors, width, top, total, shift, fade):
    zero = s.dtype.type(0)
    for g in range(vectors):
        a, b = g * width, g * width + width
        for i in range(a, b):
            shift[i] = top[i]
        for j in range(cols):
            for i in range(a, b):
                shift[i] = s[j, i] if s[j, i] > shift[i] else shift[i]
        for i in range(a, b):
            new = shift[i]
            shift[i] = new if new > -np.inf else zero
            fade[i] = exp_below(top[i] - shift[i])
            total[i] *= fade[i]
            top[i] = new
        for j in range(cols):
            for i in range(a, b):
                p = exp_below(s[j, i] - shift[i])
                s[j, i] = p
                total[i] += p


@njit(nogil=True, fastmath=_FASTMATH)
def _fill(out, cols, like, biased, masked, bias, bias_step, mask, mask_step):
    if biased:
        if bias_step == out.itemsize:
            x = carray(pointer(like, bias), cols)
            for j in range(cols):
                out[j] = x[j]
        else:
            for j in range(cols):
                out[j] = load(like, bias + j * bias_step)
    else:
        out[:cols] = 0
    if masked:
        if mask_step == 1:
            y = carray(pointer(uint8(0), mask), cols)
            for j in range(cols):
                out[j] = out[j] if y[j] else -np.inf
        else:
            for j in range(cols):
                out[j] = out[j] if load(uint8(0), mask + j * mask_step) else -np.inf
