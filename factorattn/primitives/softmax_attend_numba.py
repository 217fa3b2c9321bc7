"""Streaming softmax on the processor: queries in the lanes of vector registers, keys passing by in chunks.

    S^T = K Q^T,   P^T = exp(S^T - t),   O^T = fade O^T + V^T P^T

Every row of S^T belongs to a key and every lane to a query. So a query's maximum and sum run down its lane, without reductions
across lanes; Q^T and P^T are the operands that vectors load; K and V are those that are broadcast number by number, which lets
them be read where they lie, whatever their strides. Threads draw blocks of queries by ticket. Chunks of keys lie on one grid
for all, and a key that a query does not see adds exact zeros: how queries are grouped, and what else is in the batch, changes
no bit of a result.
"""
import math
from threading import Lock
from typing import NamedTuple

import numpy as np
from numba import carray, config, get_num_threads, njit, prange, uint8

from factorattn.primitives.dispatch import Unsupported
from factorattn.primitives.exponential_numba import soften, weigh
from factorattn.primitives.register_tile_numba import (
    ROW_BYTES,
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

CHUNK = 192  # keys; their logits fill most of a first-level cache
GROUPS = 4  # lanes groups of queries that share a chunk of keys while it is in the second-level cache
_FASTMATH = {"contract"}  # multiply-adds; NaN and infinity keep their meaning
_Q, _K, _V, _BIAS, _MASK, _O, _LSE = range(7)
_team = Lock()  # Numba's own threading layer runs one parallel region at a time


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
    if config.DISABLE_JIT:
        raise Unsupported("NUMBA_DISABLE_JIT is set, and this kernel has no uncompiled form")
    if not q.dtype == k.dtype == v.dtype:
        raise Unsupported(f"the kernel takes one dtype, got {q.dtype}, {k.dtype} and {v.dtype}")
    if q.dtype.type not in (np.float32, np.float64) or not q.dtype.isnative:
        raise Unsupported(f"the kernel computes in native float32 and float64, got {q.dtype}")
    dtype, (n, d), (m, e) = q.dtype, q.shape[-2:], v.shape[-2:]
    none = np.zeros((1, 1), dtype)
    tables = [
        (q, (n, d)),
        (k, (m, d)),
        (v, (m, e)),
        (none if bias is None else bias.astype(dtype, copy=False), (n, m)),
        (none if mask is None else mask, (n, m)),
    ]
    batch = np.broadcast_shapes(*(x.shape[:-2] for x, _ in tables))
    o, lse = np.empty((*batch, n, e), dtype), np.empty((*batch, n), dtype)
    tables += [(o, (n, e)), (lse[..., None], (n, 1))]
    views = [np.broadcast_to(x, (*batch, *shape)) for x, shape in tables]
    addresses = np.stack([_addresses(x) for x in views])  # (7, members)
    strides = np.array([x.strides[-2:] for x in views])  # (7, 2)

    lo, hi = (side * (n + m) if bound is None else bound for side, bound in zip((-1, 1), band, strict=True))
    lo, hi = min(max(lo, -n - m), n + m), min(max(hi, -n - m), n + m)
    with _team:
        threads = get_num_threads()
        for groups in (GROUPS, 2, 1):  # fewer where there would be no blocks for all threads
            rows = groups * ROW_BYTES // dtype.itemsize
            blocks = addresses.shape[1] * -(-n // rows)
            if blocks >= 4 * threads:
                break
        problem = _Problem(n, m, d, e, lo, hi, bias is not None, mask is not None, softcap is not None, groups)
        numbers = dtype.type(scale), dtype.type(1 if softcap is None else softcap)
        _attend(addresses, strides, problem, *numbers, np.zeros(1, np.intp), min(threads, blocks))
    return o, lse


def _addresses(x):
    """The byte address of every batch member of x (..., n, d), in order: (members,)."""
    out = np.array(x.__array_interface__["data"][0], np.intp)
    for size, stride in zip(x.shape[:-2], x.strides[:-2], strict=True):
        out = out[..., None] + np.arange(size) * stride
    return out.reshape(-1)


@njit(parallel=True, nogil=True, cache=True)
def _attend(addresses, strides, problem, scale, softcap, tickets, threads):
    for _ in prange(threads):
        _draw(addresses, strides, problem, scale, softcap, tickets.ctypes.data)


@njit
def _scratch(like, rows):
    """Rows of lanes, from a cache line on."""
    lanes = ROW_BYTES // like.itemsize
    room = np.empty(rows * lanes + 64 // like.itemsize, like.dtype)
    start = -room.ctypes.data % 64 // like.itemsize
    return room[start : start + rows * lanes].reshape(rows, lanes)


@njit(fastmath=_FASTMATH)
def _draw(addresses, strides, p, scale, softcap, tickets):
    """Draw blocks of queries and attend for them until none is left."""
    like = np.zeros(1, np.asarray(scale).dtype)
    lanes, width = ROW_BYTES // like.itemsize, VECTOR_BYTES // like.itemsize
    d, e = -(-p.d // width) * width, -(-p.e // width) * width  # room for whole squares
    q, o, s, t = (
        _scratch(like, p.groups * d),
        _scratch(like, p.groups * e),
        _scratch(like, CHUNK),
        _scratch(like, 3 * p.groups),
    )
    table = np.empty((width, CHUNK), like.dtype)
    blocks = -(-p.n // (lanes * p.groups))
    while True:
        ticket = take_ticket(tickets)
        if ticket >= blocks * addresses.shape[1]:
            break
        at = addresses[:, ticket // blocks]
        first = ticket % blocks * lanes * p.groups
        rows = min(lanes * p.groups, p.n - first)
        _gather(at, strides, p, scale, first, rows, q, table)
        if not _sweep(at, strides, p, scale, softcap, first, rows, q, o, s, t, table, False):
            _sweep(at, strides, p, scale, softcap, first, rows, q, o, s, t, table, True)
        _scatter(at, strides, p, scale, first, rows, o, t, table)


@njit(fastmath=_FASTMATH)
def _gather(at, strides, p, scale, first, rows, q, table):
    """Q^T, scaled, one below the other for all groups; zeros fill up the lanes."""
    lanes, width = q.shape[1], table.shape[0]
    d = q.shape[0] // p.groups
    q[:] = 0
    for i in range(0, rows, width):
        for c in range(0, p.d, CHUNK):
            count = min(CHUNK, p.d - c)
            for r in range(width):
                if i + r < rows:
                    _copy(table[r, :count], at[_Q] + (first + i + r) * strides[_Q, 0] + c * strides[_Q, 1], strides[_Q, 1])
                    for x in range(count):
                        table[r, x] *= scale
                else:
                    table[r] = 0
            for x in range(0, count, width):
                add_transposed(scale, table.ctypes.data + x * table.itemsize, table.strides[0],
                               q.ctypes.data + (i // lanes * d + c + x) * ROW_BYTES + i % lanes * q.itemsize, ROW_BYTES)


@njit(fastmath=_FASTMATH)
def _sweep(at, strides, p, scale, softcap, first, rows, q, o, s, t, table, careful):
    """Pass all keys by a block of queries; say whether it is done. If not, a value that is not finite must be kept apart.

    0 * NaN is NaN: a bad value also reaches queries that do not see its key. Such values are rare and cost nothing unless the
    output shows one; then the block is done over with care.
    """
    lanes = q.shape[1]
    d, e = q.shape[0] // p.groups, o.shape[0] // p.groups
    clean = np.empty((CHUNK if careful else 0, p.e), q.dtype)
    o[:] = 0
    for g in range(p.groups):
        t[3 * g], t[3 * g + 1] = -np.inf, 0
    begin, end, _ = _seen(p, first, first + rows)
    partial = p.biased or p.masked
    for grid in range(begin // CHUNK * CHUNK, end, CHUNK):
        for g in range(-(-rows // lanes)):
            top = first + g * lanes  # the group's first query
            count = min(lanes, first + rows - top)
            vectors = -(-count * q.itemsize // VECTOR_BYTES)
            start, stop, full = _seen(p, top, top + count)
            start, stop = max(start, grid), min(stop, grid + CHUNK)
            keys = stop - start
            if keys <= 0:
                continue
            partial = partial or start < full[0] or stop > full[1]
            state = t[3 * g :].ctypes.data
            keys_at = at[_K] + start * strides[_K, 0]
            multiply(scale, keys_at, strides[_K, 0], strides[_K, 1], keys, p.d, q[g * d :].ctypes.data, s.ctypes.data, 0, vectors)
            if p.capped:
                soften(softcap, s.ctypes.data, keys)
            if p.biased or p.masked:
                _add_tables(at, strides, p, top, count, start, keys, s, table)
            if start < full[0] or stop > full[1]:
                for j in range(keys):  # key start + j is seen by queries start + j - hi ... start + j - lo
                    s[j, : max(start + j - p.hi - top, 0)] = -np.inf
                    s[j, max(start + j - p.lo + 1 - top, 0) :] = -np.inf
            v_at, v_row, v_column = at[_V] + start * strides[_V, 0], strides[_V, 0], strides[_V, 1]
            if careful:
                _set_apart(v_at, v_row, v_column, s[:keys], o[g * e : g * e + p.e], clean)
                v_at, v_row, v_column = clean.ctypes.data, clean.strides[0], clean.strides[1]
            weigh(scale, s.ctypes.data, keys, state, state + ROW_BYTES, state + 2 * ROW_BYTES, vectors)
            multiply_onto(scale, v_at, v_column, v_row, p.e, keys, s.ctypes.data, o[g * e :].ctypes.data, state + 2 * ROW_BYTES, vectors)
    if careful or not partial:
        return True
    for g in range(p.groups):
        for c in range(p.e):
            for i in range(min(lanes, rows - g * lanes)):
                if not np.isfinite(o[g * e + c, i]):
                    return False
    return True


@njit
def _seen(p, first, last):
    """The range of keys that some query from `first` to `last` sees, and that which all of them see."""
    start = min(max(first + p.lo, 0), p.m)
    stop = max(min(last + p.hi, p.m), start)
    return start, stop, (last - 1 + p.lo, first + p.hi + 1)


@njit
def _copy(out, address, step):
    if step == out.itemsize:
        row = carray(pointer(out.dtype.type(0), address), out.size)
        for j in range(out.size):
            out[j] = row[j]
    else:
        for j in range(out.size):
            out[j] = load(out.dtype.type(0), address + j * step)


@njit
def _add_tables(at, strides, p, top, count, start, keys, s, table):
    """Add the bias to the logits s (keys, lanes), and -inf where the mask is False."""
    width = table.shape[0]
    for i in range(0, count, width):
        for r in range(min(width, count - i)):
            row, query = table[r, :keys], top + i + r
            if p.biased:
                _copy(row, at[_BIAS] + query * strides[_BIAS, 0] + start * strides[_BIAS, 1], strides[_BIAS, 1])
            else:
                row[:] = 0
            if p.masked:
                address, step = at[_MASK] + query * strides[_MASK, 0] + start * strides[_MASK, 1], strides[_MASK, 1]
                if step == 1:
                    seen = carray(pointer(uint8(0), address), keys)
                    for j in range(keys):
                        row[j] = row[j] if seen[j] else -np.inf
                else:
                    for j in range(keys):
                        row[j] = row[j] if load(uint8(0), address + j * step) else -np.inf
        for j in range(0, keys, width):
            add_transposed(s[0, 0], table[0, j:].ctypes.data, table.strides[0], s[j, i:].ctypes.data, ROW_BYTES)


@njit
def _set_apart(v, row, column, logits, o, clean):
    """Copy values with zeros for those that are not finite, and add these to the outputs of the queries that see their keys."""
    for j in range(logits.shape[0]):
        for c in range(o.shape[0]):
            value = load(clean.dtype.type(0), v + j * row + c * column)
            clean[j, c] = value if np.isfinite(value) else 0
            if not np.isfinite(value):
                for i in range(o.shape[1]):
                    if logits[j, i] != -np.inf:
                        o[c, i] += value


@njit(fastmath=_FASTMATH)
def _scatter(at, strides, p, scale, first, rows, o, t, table):
    """Divide by the sums and write the outputs and the log-sum-exps."""
    lanes, width = o.shape[1], table.shape[0]
    e = o.shape[0] // p.groups
    for i in range(rows):
        top, total = t[i // lanes * 3, i % lanes], t[i // lanes * 3 + 1, i % lanes]
        row = carray(pointer(scale, at[_LSE] + (first + i) * strides[_LSE, 0]), 1)
        row[0] = top + math.log(total) if total != 0 else top
        t[i // lanes * 3 + 2, i % lanes] = 1 / total if total != 0 else 0
    for i in range(0, rows, width):
        for c in range(0, p.e, CHUNK):
            count = min(CHUNK, p.e - c)
            table[:, :] = 0
            for x in range(0, count, width):
                add_transposed(scale, o[i // lanes * e + c + x, i % lanes :].ctypes.data, ROW_BYTES,
                               table[0, x:].ctypes.data, table.strides[0])
            for r in range(min(width, rows - i)):
                out = carray(pointer(scale, at[_O] + (first + i + r) * strides[_O, 0] + c * strides[_O, 1]), count)
                factor = t[(i + r) // lanes * 3 + 2, (i + r) % lanes]
                for x in range(count):
                    out[x] = table[r, x] * factor
