"""Derivatives of functions that move entries: views, joins, rows picked, types changed. Their pulls move them back."""

import math
import operator
from collections.abc import Callable
from typing import Any

import array_api_compat
import numpy as np

from factorattn.interpret.gradient_transposes import add_at, added, added_along, place, placed

__all__ = ["SHAPES", "like", "onto"]


def like(x: Any) -> tuple[tuple[int, ...], Any] | None:
    """What a cotangent of x must look like: shape and dtype; None for a Python number."""
    return (tuple(x.shape), x.dtype) if hasattr(x, "dtype") else None


def onto(g: Any, to: tuple[tuple[int, ...], Any] | None, *, xp: Any) -> Any:
    """A cotangent summed over the axes that were broadcast, of the dtype of the input; None for a Python number."""
    if to is None:
        return None
    shape, dtype = to
    more = g.ndim - len(shape)
    axes = tuple(i for i, n in enumerate(g.shape) if i < more or (shape[i - more] == 1 and n != 1))
    if axes:
        g = xp.reshape(xp.sum(g, axis=axes), shape)
    return cast(g, dtype, xp=xp)


def cast(g: Any, dtype: Any, *, xp: Any) -> Any:
    """A cotangent in the dtype of its input: the real part, if that is real."""
    if g.dtype == dtype:
        return g
    if xp.isdtype(g.dtype, "complex floating") and not xp.isdtype(dtype, "complex floating"):
        g = xp.real(g)
    return xp.astype(g, dtype, copy=False)


def returned(g: Any, dtype: Any, device: Any, *, xp: Any) -> Any:
    """A cotangent in the dtype of its input, and where that is."""
    g = cast(g, dtype, xp=xp)
    return g if array_api_compat.device(g) == device else array_api_compat.to_device(g, device)


def _reshape(xp, x, /, shape, *, copy=None):
    before = tuple(x.shape)
    return xp.reshape(x, shape), (lambda g, xp: xp.reshape(g, before),)


def _back_to_shape(name: str) -> Callable:
    def rule(xp, x, /, *args, **options):
        before = tuple(x.shape)
        return getattr(xp, name)(x, *args, **options), (lambda g, xp: xp.reshape(g, before),)

    return rule


def _permute_dims(xp, x, /, axes):
    back = tuple(int(i) for i in np.argsort([axis % x.ndim for axis in axes]))
    return xp.permute_dims(x, axes), (lambda g, xp: xp.permute_dims(g, back),)


def _moveaxis(xp, x, source, destination, /):
    return xp.moveaxis(x, source, destination), (lambda g, xp: xp.moveaxis(g, destination, source),)


def _matrix_transpose(xp, x, /):
    return xp.matrix_transpose(x), (lambda g, xp: xp.matrix_transpose(g),)


def _broadcast_to(xp, x, /, shape):
    to = like(x)
    return xp.broadcast_to(x, shape), (lambda g, xp: onto(g, to, xp=xp),)


def _broadcast_arrays(xp, *arrays):
    tos = [like(x) for x in arrays]

    def pull(gs, xp):
        gs = gs if isinstance(gs, tuple) else (gs,)
        return [onto(g, to, xp=xp) for g, to in zip(gs, tos, strict=True)]

    return tuple(xp.broadcast_arrays(*arrays)), pull


def _meshgrid(xp, *arrays, indexing="xy"):
    """Each array lies along an axis of its own; the first two change places for "xy"."""
    axes = list(range(len(arrays)))
    if indexing == "xy" and len(axes) > 1:
        axes[:2] = 1, 0

    def pull(gs, xp):
        gs = gs if isinstance(gs, tuple) else (gs,)
        others = [tuple(i for i in axes if i != axis) for axis in axes]
        return [
            cast(xp.sum(g, axis=some), x, xp=xp) if some else g for g, some, x in zip(gs, others, dtypes, strict=True)
        ]

    dtypes = [getattr(x, "dtype", None) for x in arrays]
    return tuple(xp.meshgrid(*arrays, indexing=indexing)), pull


def _flip(xp, x, /, *, axis=None):
    return xp.flip(x, axis=axis), (lambda g, xp: xp.flip(g, axis=axis),)


def _roll(xp, x, /, shift, *, axis=None):
    back = tuple(-s for s in shift) if isinstance(shift, tuple) else -shift
    return xp.roll(x, shift, axis=axis), (lambda g, xp: xp.roll(g, back, axis=axis),)


def _triangle(name: str) -> Callable:
    def rule(xp, x, /, *, k=0):
        return getattr(xp, name)(x, k=k), (lambda g, xp: getattr(xp, name)(g, k=k),)

    return rule


def _concat(xp, arrays, /, *, axis=0):
    shapes = [tuple(x.shape) for x in arrays]
    if axis is None:
        arrays, axis = [xp.reshape(x, (math.prod(x.shape),)) for x in arrays], 0
    out, start, pulls = xp.concat(list(arrays), axis=axis), 0, []
    for x, shape in zip(arrays, shapes, strict=True):
        key = _along(slice(start, start + x.shape[axis]), axis % out.ndim)
        pulls.append(lambda g, xp, key=key, shape=shape, dtype=x.dtype: cast(xp.reshape(g[key], shape), dtype, xp=xp))
        start += x.shape[axis]
    return out, pulls


def _stack(xp, arrays, /, *, axis=0):
    out = xp.stack(list(arrays), axis=axis)
    keys = [_along(i, axis % out.ndim) for i in range(len(arrays))]
    return out, [
        lambda g, xp, key=key, dtype=x.dtype: cast(g[key], dtype, xp=xp) for key, x in zip(keys, arrays, strict=True)
    ]


def _unstack(xp, x, /, *, axis=0):
    def pull(gs, xp):
        return [xp.stack(list(gs) if isinstance(gs, tuple) else [gs], axis=axis)]

    return tuple(xp.unstack(x, axis=axis)), pull


def _repeat(xp, x, repeats, /, *, axis=None):
    try:
        repeats = operator.index(repeats)
    except TypeError:
        raise NotImplementedError("gradient has no rule for repeat with an array of repeats") from None
    shape = tuple(x.shape) if axis is not None else (math.prod(x.shape),)
    at = 0 if axis is None else axis % x.ndim
    before = tuple(x.shape)

    def pull(g, xp):
        parts = xp.reshape(g, (*shape[: at + 1], repeats, *shape[at + 1 :]))
        return xp.reshape(xp.sum(parts, axis=at + 1), before)

    return xp.repeat(x, repeats, axis=axis), (pull,)


def _tile(xp, x, repetitions, /):
    before = tuple(x.shape)
    times = (1,) * (len(before) - len(repetitions)) + tuple(repetitions)
    full = (1,) * (len(times) - len(before)) + before

    def pull(g, xp):
        apart = [size for pair in zip(times, full, strict=True) for size in pair]
        return xp.reshape(xp.sum(xp.reshape(g, tuple(apart)), axis=tuple(range(0, 2 * len(times), 2))), before)

    return xp.tile(x, repetitions), (pull,)


def _astype(xp, x, dtype, /, *, copy=True, device=None):
    before, at = x.dtype, array_api_compat.device(x)
    options = {} if device is None else {"device": device}
    return xp.astype(x, dtype, copy=copy, **options), (lambda g, xp: returned(g, before, at, xp=xp),)


def _asarray(xp, x, /, *, dtype=None, device=None, copy=None):
    out = xp.asarray(x, dtype=dtype, device=device, copy=copy)
    if isinstance(x, (list, tuple)):
        raise NotImplementedError("gradient has no rule for asarray of a list of arrays; use stack")
    if like(x) is None:
        return out, ()
    before, at = x.dtype, array_api_compat.device(x)
    return out, (lambda g, xp: returned(g, before, at, xp=xp),)


def _to_device(xp, x, device, /, *, stream=None):
    before, at = x.dtype, array_api_compat.device(x)
    return array_api_compat.to_device(x, device, stream=stream), (lambda g, xp: returned(g, before, at, xp=xp),)


def _full(xp, shape, fill_value, *, dtype=None, device=None):
    if like(fill_value) is None:
        return xp.full(shape, fill_value, dtype=dtype, device=device), ()
    to, before, at = like(fill_value), fill_value.dtype, array_api_compat.device(fill_value)
    filled = xp.asarray(fill_value, dtype=dtype, device=device)
    shape = shape if isinstance(shape, (list, tuple)) else (shape,)
    return xp.broadcast_to(filled, tuple(shape)), (
        None,
        lambda g, xp: returned(onto(g, to, xp=xp), before, at, xp=xp),
    )


def _full_like(xp, x, /, fill_value, *, dtype=None, device=None):
    """It is the second argument, here as in `full`, that is differentiated; nothing of x is kept but its shape."""
    device = array_api_compat.device(x) if device is None else device
    out, pulls = _full(xp, tuple(x.shape), fill_value, dtype=x.dtype if dtype is None else dtype, device=device)
    return out, pulls or (None, None)


def _getitem(xp, x, key, /):
    shape, device = tuple(x.shape), array_api_compat.device(x)
    return x[key], (lambda g, xp: placed(g, shape, key, device, xp=xp),)


def _take(xp, x, indices, /, *, axis=None):
    if axis is None and x.ndim != 1:
        raise ValueError(f"take needs an axis, for an array of shape {tuple(x.shape)}")
    if getattr(indices, "ndim", 0) != 1:
        raise ValueError("take needs indices of one axis; to take others, reshape what was taken")
    rows, axis = x.shape[axis or 0], (axis or 0) % x.ndim
    return xp.take(x, indices, axis=axis), (lambda g, xp: added(g, indices, rows, axis, xp=xp),)


def _take_along_axis(xp, x, indices, /, *, axis=-1):
    rows, axis, to = x.shape[axis], axis % x.ndim, like(x)

    def pull(g, xp):
        g, at = xp.moveaxis(g, axis, -1), xp.moveaxis(indices, axis, -1)
        g = added_along(g, at, rows, xp=xp)
        return onto(xp.moveaxis(g, -1, axis), to, xp=xp)

    return xp.take_along_axis(x, indices, axis=axis), (pull,)


def _sort(xp, x, /, *, axis=-1, descending=False, stable=True):
    order = xp.argsort(x, axis=axis, descending=descending, stable=stable)

    def pull(g, xp):
        return xp.take_along_axis(g, xp.argsort(order, axis=axis, stable=True), axis=axis)

    return xp.take_along_axis(x, order, axis=axis), (pull,)


def _along(part, axis):
    return (*(slice(None),) * axis, part, ...)


SHAPES: dict[str, Callable] = {
    "reshape": _reshape,
    "squeeze": _back_to_shape("squeeze"),
    "expand_dims": _back_to_shape("expand_dims"),
    "permute_dims": _permute_dims,
    "moveaxis": _moveaxis,
    "matrix_transpose": _matrix_transpose,
    "broadcast_to": _broadcast_to,
    "broadcast_arrays": _broadcast_arrays,
    "meshgrid": _meshgrid,
    "flip": _flip,
    "roll": _roll,
    "tril": _triangle("tril"),
    "triu": _triangle("triu"),
    "concat": _concat,
    "stack": _stack,
    "unstack": _unstack,
    "repeat": _repeat,
    "tile": _tile,
    "astype": _astype,
    "asarray": _asarray,
    "_to_device": _to_device,
    "full": _full,
    "full_like": _full_like,
    "take": _take,
    "take_along_axis": _take_along_axis,
    "sort": _sort,
    "_getitem": _getitem,
    "_place": place,
    "_add_at": add_at,
}
