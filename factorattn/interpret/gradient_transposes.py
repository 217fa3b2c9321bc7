"""Transposes of moving entries that the array API has no name for, for arrays of any library.

    place    zeros of a shape, with g at an index                of x[key]
    add_at   slices of g added up where indices send them        of take

Each is a rule of the table, too, so that it can be differentiated.
"""

import math
from typing import Any

import array_api_compat
import numpy as np

from factorattn.interpret.gradient_array import has_levels

__all__ = ["add_at", "added", "added_along", "place", "placed"]


def placed(g, shape, key, device, *, xp):
    return xp._place(g, shape, key, device) if has_levels(xp) else place(xp, g, shape, key, device)[0]


def place(xp: Any, g: Any, shape: tuple[int, ...], key: Any, device: Any, /) -> tuple[Any, Any]:
    """Zeros of a shape, with g at an index."""
    pulls = (lambda h, xp: h[key],)
    if has_levels(xp):
        return xp._place(g, shape, key, device), pulls
    parts = [part for part in (key if isinstance(key, tuple) else (key,)) if part is not None]
    if any(_picks(part, xp) for part in parts):  # it may pick an entry twice, so that g is added up
        size = math.prod(shape)
        at = xp.reshape(xp.arange(size, device=device), shape)[key]
        found, _ = add_at(xp, xp.reshape(g, (-1,)), xp.reshape(at, (-1,)), size, 0)
        return xp.reshape(found, shape), pulls
    out = xp.zeros(shape, dtype=g.dtype, device=device)
    if array_api_compat.is_jax_array(out):
        return out.at[key].set(g), pulls
    if hasattr(out, "__setitem__"):
        there = tuple(parts)
        out[there] = xp.reshape(g, out[there].shape)  # new axes may not be written to everywhere
        return out, pulls
    return _padded(xp, g, shape, key, device), pulls


def _picks(part, xp):
    """Whether a part of an index is an array of integers."""
    if isinstance(part, (list, tuple)):
        return True
    return hasattr(part, "dtype") and part.ndim > 0 and xp.isdtype(part.dtype, "integral")


def _padded(xp, g, shape, key, device):
    """The same without writing, for an index of integers, slices of step 1, None and ..."""
    keys = list(key) if isinstance(key, tuple) else [key]
    if ... not in keys:
        keys.append(...)
    hidden = len(shape) - sum(part is not None and part is not ... for part in keys)
    at = keys.index(...)
    keys[at : at + 1] = [slice(None)] * hidden
    if not all(part is None or isinstance(part, int | slice) for part in keys):
        raise NotImplementedError(f"gradient has no rule for the index {key!r} of arrays that cannot be written to")
    runs = [range(n)[part] for n, part in zip(shape, (p for p in keys if p is not None), strict=True)]
    starts = [run if isinstance(run, int) else run.start for run in runs]
    lengths = [1 if isinstance(run, int) else len(run) for run in runs]
    if any(isinstance(run, range) and run.step != 1 for run in runs):
        raise NotImplementedError(f"gradient has no rule for the steps of {key!r} of arrays that cannot be written to")
    g = xp.reshape(g, tuple(lengths))
    for axis, (n, start, length) in enumerate(zip(shape, starts, lengths, strict=True)):
        gaps = [(*g.shape[:axis], gap, *g.shape[axis + 1 :]) for gap in (start, n - start - length)]
        before, after = (xp.zeros(gap, dtype=g.dtype, device=device) for gap in gaps)
        if n != length:
            g = xp.concat([before, g, after], axis=axis)
    return g


def added(g, indices, rows, axis, *, xp):
    return xp._add_at(g, indices, rows, axis) if has_levels(xp) else add_at(xp, g, indices, rows, axis)[0]


def add_at(xp: Any, g: Any, indices: Any, rows: int, axis: int, /) -> tuple[Any, Any]:
    """Slices of g along an axis, added up where indices (k,) send them, among `rows` places."""
    pulls = (lambda h, xp: xp.take(h, indices, axis=axis),)
    if has_levels(xp):
        return xp._add_at(g, indices, rows, axis), pulls
    moved = xp.moveaxis(g, axis, 0)
    shape = (rows, *moved.shape[1:])
    if array_api_compat.is_numpy_namespace(xp):
        out = np.zeros(shape, dtype=g.dtype)
        if indices.size:
            at = np.where(indices < 0, indices + rows, indices)
            order = np.argsort(at, kind="stable")
            starts = np.flatnonzero(np.diff(at[order], prepend=-1))
            out[at[order[starts]]] = np.add.reduceat(moved[order], starts, axis=0)
    elif array_api_compat.is_cupy_namespace(xp):
        out = xp.zeros(shape, dtype=g.dtype)
        xp.add.at(out, indices, moved)
    elif array_api_compat.is_torch_namespace(xp):
        out = xp.zeros(shape, dtype=g.dtype, device=g.device).index_add(0, indices, moved)
    elif hasattr(xp, "added_up"):
        out = xp.added_up(moved, rows)
    else:
        places = xp.arange(rows, dtype=indices.dtype, device=array_api_compat.device(indices))
        hot = xp.astype(places[:, None] == indices[None, :], g.dtype)  # (rows, k)
        out = xp.reshape(hot @ xp.reshape(moved, (moved.shape[0], math.prod(shape[1:]))), shape)
    return xp.moveaxis(out, 0, axis), pulls


def added_along(g, at, rows, *, xp):
    """Entries of g (..., k), added up where indices `at` (..., k) send them along the last axis: (..., rows)."""
    *batch, k = g.shape
    members = math.prod(batch)
    at = xp.broadcast_to(at, g.shape)
    first = xp.arange(members, dtype=at.dtype, device=array_api_compat.device(at))[:, None] * rows
    flat = xp.reshape(xp.reshape(at, (members, k)) + first, (members * k,))
    return xp.reshape(added(xp.reshape(g, (members * k,)), flat, members * rows, 0, xp=xp), (*batch, rows))
