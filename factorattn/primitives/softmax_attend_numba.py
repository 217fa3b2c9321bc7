"""Streaming softmax on the processor: queries in the lanes of vector registers, keys passing by in chunks.

    S^T = K Q^T,   P^T = exp(S^T - t),   O^T = fade O^T + V^T P^T

Every row of S^T belongs to a key and every lane to a query. So a query's maximum and sum run down its lane, without
reductions across lanes; Q^T and P^T are the operands that vectors load; K and V are those that are broadcast number
by number, which lets them be read where they lie, whatever their strides. Threads draw blocks of queries by ticket.
Chunks of keys lie on one grid for all, and a key that a query does not see adds exact zeros: how queries are grouped,
and what else is in the batch, changes no bit of a result.
"""

import math
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import numpy as np
from numba import get_num_threads, njit

from factorattn.primitives import exponential_numba, lanes_numba, register_tile_numba, threads_numba
from factorattn.primitives.dispatch import Unsupported
from factorattn.primitives.exponential_numba import soften, weigh
from factorattn.primitives.lanes_numba import add_matrix, set_apart, write_matrix, write_number
from factorattn.primitives.register_tile_numba import ROW_BYTES, VECTOR_BYTES, multiply, multiply_onto
from factorattn.primitives.threads_numba import run_on_threads, take_ticket

__all__ = ["softmax_attend"]

CHUNK = 192  # keys; their logits fill most of a first-level cache
GROUPS = 4  # of lanes of queries that share a chunk of keys while it is in the second-level cache
PAIRS = 2**22  # multiply-adds that another thread is worth waking for
_Q, _K, _V, _BIAS, _MASK, _O, _LSE = range(7)


class _Problem(NamedTuple):
    n: int
    m: int
    d: int
    e: int
    lo: int
    hi: int
    biased: bool
    masked: bool
    capped: bool
    groups: int  # of queries a block


def softmax_attend(q, k, v, /, *, scale, softcap=None, bias=None, mask=None, band=(None, None)):
    """The primitive `softmax_attend` for float32 and float64 NumPy arrays."""
    if not hasattr(_attend, "signatures"):
        raise Unsupported("NUMBA_DISABLE_JIT is set, and this kernel has no uncompiled form")
    if not q.dtype == k.dtype == v.dtype:
        raise Unsupported(f"the kernel takes one dtype, got {q.dtype}, {k.dtype} and {v.dtype}")
    if q.dtype.type not in (np.float32, np.float64) or not q.dtype.isnative:
        raise Unsupported(f"the kernel computes in native float32 and float64, got {q.dtype}")
    if mask is not None and mask.dtype != np.bool_:
        raise Unsupported(f"the kernel takes a mask of booleans, got {mask.dtype}")
    bias = None if bias is None else bias.astype(q.dtype, copy=False)
    dtype, (n, d), (m, e) = q.dtype, q.shape[-2:], v.shape[-2:]
    given = [(q, (n, d)), (k, (m, d)), (v, (m, e))]
    given += [(np.zeros((1, 1)) if x is None else x, (n, m)) for x in (bias, mask)]  # a stand-in is never read
    batch = np.broadcast_shapes(*(x.shape[:-2] for x, _ in given))
    o, lse = np.zeros((*batch, n, e), dtype), np.empty((*batch, n), dtype)
    tables = [_table(x, batch, *shape) for x, shape in [*given, (o, (n, e)), (lse[..., None], (n, 1))]]
    addresses, strides = (np.array(x, np.intp) for x in zip(*tables, strict=True))  # (7, members), (7, 2)

    lo, hi = (side * (n + m) if bound is None else bound for side, bound in zip((-1, 1), band, strict=True))
    lo, hi = min(max(lo, -n - m), n + m), min(max(hi, -n - m), n + m)
    for groups in (GROUPS, 2, 1):  # fewer where there would not be enough blocks for all threads
        blocks = addresses.shape[1] * -(-n * dtype.itemsize // (groups * ROW_BYTES))
        if blocks >= 4 * get_num_threads():
            break
    problem = _Problem(n, m, d, e, lo, hi, bias is not None, mask is not None, softcap is not None, groups)
    numbers = dtype.type(scale), dtype.type(1 if softcap is None else softcap)
    threads = min(blocks, 1 + addresses.shape[1] * n * m * (d + e) // PAIRS)
    arguments = addresses, strides, problem, *numbers, np.zeros(1, np.intp)
    run_on_threads(_attend, *arguments, at_most=threads, keep=(given, o, lse))
    return o, lse


def _table(x, batch, rows, columns):
    """The byte addresses of all matrices (rows, columns) that x broadcasts to, in order, and their two byte strides."""
    if x.shape[-2:] != (rows, columns):
        x = np.broadcast_to(x, (*x.shape[:-2], rows, columns))
    addresses = np.array([x.__array_interface__["data"][0]], np.intp)
    strides = [0 if size == 1 else stride for size, stride in zip(x.shape[:-2], x.strides[:-2], strict=True)]
    for size, stride in zip(batch, [0] * (len(batch) - len(strides)) + strides, strict=True):
        addresses = (addresses[:, None] + stride * np.arange(size)).reshape(-1)
    return addresses, x.strides[-2:]


def _compiled(sources):
    """The loop over blocks. Numba's cache looks at this file only; the closure makes it look at `sources` too."""

    def attend(addresses, strides, problem, scale, softcap, tickets):
        _ = sources
        _draw(addresses, strides, problem, scale, softcap, tickets.ctypes.data)

    try:
        return njit(nogil=True, cache=True)(attend)
    except RuntimeError:  # nowhere to write a cache
        return njit(nogil=True)(attend)


@njit
def _draw(addresses, strides, p, scale, softcap, tickets):
    """Draw blocks of queries and attend for them until none is left."""
    one = np.ones(1, np.asarray(scale).dtype)
    width, lanes = VECTOR_BYTES // one.itemsize, ROW_BYTES // one.itemsize
    d, e = -(-p.d // width) * width, -(-p.e // width) * width  # whole squares
    q, o = _scratch(one, p.groups * d), _scratch(one, p.groups * e)  # Q^T and O^T, group below group
    s, t = _scratch(one, CHUNK), _scratch(one, p.groups * 3)  # S^T; maximum, sum and fade of each group
    square, seen = np.empty((width, width), one.dtype), np.empty((width, width), np.uint8)
    blocks = -(-p.n // (lanes * p.groups))
    while True:
        ticket = take_ticket(tickets)
        if ticket >= blocks * addresses.shape[1]:
            break
        at = addresses[:, ticket // blocks]
        first = ticket % blocks * lanes * p.groups
        rows = min(lanes * p.groups, p.n - first)
        q[:] = 0
        for g in range(-(-rows // lanes)):
            i = g * lanes
            x, row, column = _corner(at, strides, _Q, first + i, 0)
            add_matrix(q[g * d :], scale, square, x, row, column, min(lanes, rows - i), p.d)
        for careful in range(2):
            if _sweep(at, strides, p, scale, softcap, first, rows, q, o, s, t, square, seen, careful):
                break
        for g in range(-(-rows // lanes)):
            i = g * lanes
            _finish(at, strides, p, first + i, min(lanes, rows - i), o[g * e :], t[g * 3 :], square)


@njit
def _scratch(one, rows):
    """Rows of lanes, from a cache line on."""
    lanes = ROW_BYTES // one.itemsize
    room = np.empty(rows * lanes + 64 // one.itemsize, one.dtype)
    start = -room.ctypes.data % 64 // one.itemsize
    return room[start : start + rows * lanes].reshape(rows, lanes)


@njit
def _corner(at, strides, which, i, j):
    """Byte address of entry (i, j) of one of the tables, and its byte strides."""
    row, column = strides[which]
    return at[which] + i * row + j * column, row, column


@njit
def _sweep(at, strides, p, scale, softcap, first, rows, q, o, s, t, square, seen, careful):
    """Pass all keys by a block of queries; say whether that did it.

    0 * NaN is NaN: a value that is not finite also reaches queries that do not see its key. Such values are rare, and
    cost nothing until an output shows one; the block is then done over with care, which keeps them apart.
    """
    lanes = q.shape[1]
    d, e = q.shape[0] // p.groups, o.shape[0] // p.groups
    clean = np.empty((CHUNK if careful else 0, p.e), q.dtype)
    guarded = p.biased or p.masked
    o[:] = 0
    for g in range(p.groups):
        t[3 * g], t[3 * g + 1] = -np.inf, 0
    begin, end, _, _ = _visible(p, first, first + rows)
    for grid in range(begin // CHUNK * CHUNK, end, CHUNK):
        for g in range(-(-rows // lanes)):
            top, count = first + g * lanes, min(lanes, rows - g * lanes)
            vectors = -(-count * q.itemsize // VECTOR_BYTES)
            start, stop, from_all, to_all = _visible(p, top, top + count)
            start, stop = max(start, grid), min(stop, grid + CHUNK)
            keys = stop - start
            if keys <= 0:
                continue
            x, row, column = _corner(at, strides, _K, start, 0)
            multiply(scale, x, row, column, keys, p.d, q[g * d :].ctypes.data, s.ctypes.data, 0, vectors)
            if p.capped:
                soften(softcap, s.ctypes.data, keys)
            if p.biased:
                x, row, column = _corner(at, strides, _BIAS, top, start)
                add_matrix(s, square.dtype.type(1), square, x, row, column, count, keys)
            if p.masked:
                x, row, column = _corner(at, strides, _MASK, top, start)
                add_matrix(s, square.dtype.type(1), seen, x, row, column, count, keys)
            if start < from_all or stop > to_all:
                guarded = True
                for j in range(keys):  # key start + j is seen by queries start + j - hi ... start + j - lo
                    s[j, : max(start + j - p.hi - top, 0)] = -np.inf
                    s[j, max(start + j - p.lo + 1 - top, 0) :] = -np.inf
            x, row, column = _corner(at, strides, _V, start, 0)
            if careful:
                set_apart(x, row, column, s[:keys], o[g * e : g * e + p.e], clean)
                x, row, column = clean.ctypes.data, clean.strides[0], clean.strides[1]
            state = t[3 * g :].ctypes.data
            fade = state + 2 * ROW_BYTES
            weigh(scale, s.ctypes.data, keys, state, state + ROW_BYTES, fade, vectors)
            multiply_onto(scale, x, column, row, p.e, keys, s.ctypes.data, o[g * e :].ctypes.data, fade, vectors)
    return careful or not guarded or _finite(o, e, p, rows)


@njit
def _finite(o, e, p, rows):
    for g in range(p.groups):
        for c in range(g * e, g * e + p.e):
            for i in range(min(o.shape[1], rows - g * o.shape[1])):
                if not np.isfinite(o[c, i]):
                    return False
    return True


@njit
def _visible(p, first, last):
    """The range of keys that some query from `first` up to `last` sees, then that which all of them see."""
    start = min(max(first + p.lo, 0), p.m)
    stop = max(min(last + p.hi, p.m), start)
    return start, stop, last - 1 + p.lo, first + p.hi + 1


@njit
def _finish(at, strides, p, first, rows, o, t, square):
    """Divide by the sums, and write the outputs and log-sum-exps of one group."""
    for i in range(rows):
        x, _, _ = _corner(at, strides, _LSE, first + i, 0)
        top, total = t[0, i], t[1, i]
        t[2, i] = 1 / total if total != 0 else 0
        write_number(top + math.log(total) if total != 0 else top, x)
    for c in range(p.e):
        for i in range(o.shape[1]):
            o[c, i] *= t[2, i]
    x, row, _ = _corner(at, strides, _O, first, 0)
    write_matrix(o, square, x, row, rows, p.e)


_SOURCES = exponential_numba, lanes_numba, register_tile_numba, threads_numba
_attend = _compiled(crc32(b"".join(Path(str(x.__file__)).read_bytes() for x in _SOURCES)))
