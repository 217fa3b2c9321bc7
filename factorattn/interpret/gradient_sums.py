"""Derivatives of reductions, scans and products: sums along axes of one array, or of products of two."""

import math
from collections.abc import Callable
from typing import Any

from factorattn.interpret.gradient_shapes import cast, like, onto
from factorattn.interpret.gradient_spare import over, spare, spared

__all__ = ["SUMS"]


def _axes(x, axis):
    """The axes that a reduction takes away."""
    if axis is None:
        return tuple(range(x.ndim))
    return tuple(a % x.ndim for a in (axis if isinstance(axis, tuple) else (axis,)))


def _kept(shape, axes):
    """The shape of a reduction with keepdims=True."""
    return tuple(1 if i in axes else n for i, n in enumerate(shape))


def _sum(xp, x, /, *, axis=None, dtype=None, keepdims=False):
    shape, before, axes = tuple(x.shape), x.dtype, _axes(x, axis)

    def pull(g, xp):
        return xp.broadcast_to(cast(xp.reshape(g, _kept(shape, axes)), before, xp=xp), shape)

    return xp.sum(x, axis=axis, dtype=dtype, keepdims=keepdims), (pull,)


def _mean(xp, x, /, *, axis=None, keepdims=False):
    shape, axes = tuple(x.shape), _axes(x, axis)
    count = math.prod(shape[i] for i in axes)
    return xp.mean(x, axis=axis, keepdims=keepdims), (
        lambda g, xp: xp.broadcast_to(xp.reshape(g / count, _kept(shape, axes)), shape),
    )


def _var(xp, x, /, *, axis=None, correction=0.0, keepdims=False):
    shape, axes = tuple(x.shape), _axes(x, axis)
    count = max(math.prod(shape[i] for i in axes) - correction, 0)

    def pull(g, xp):
        g = xp.reshape(2 * g / count, _kept(shape, axes))
        return g * spare(x - xp.mean(x, axis=axis, keepdims=True), g, xp=xp)

    return xp.var(x, axis=axis, correction=correction, keepdims=keepdims), (pull,)


def _std(xp, x, /, *, axis=None, correction=0.0, keepdims=False):
    """A length, with derivative zero at zero."""
    shape, axes = tuple(x.shape), _axes(x, axis)
    count = max(math.prod(shape[i] for i in axes) - correction, 0)
    out = xp.std(x, axis=axis, correction=correction, keepdims=keepdims)

    def pull(g, xp):
        g = xp.reshape(g, _kept(shape, axes))
        y = xp.reshape(out, _kept(shape, axes))
        return over(g, xp.where(y == 0, 1, y) * count, xp=xp) * spare(
            x - xp.mean(x, axis=axis, keepdims=True), g, xp=xp
        )

    return out, (pull,)


def _extreme(name: str) -> Callable:
    """Of several equal extremes, each has its share of the derivative."""

    def rule(xp, x, /, *, axis=None, keepdims=False):
        axes, out = _axes(x, axis), getattr(xp, name)(x, axis=axis, keepdims=keepdims)
        kept = _kept(x.shape, axes)

        def pull(g, xp):
            hit = xp.astype(xp.equal(x, xp.reshape(out, kept)), g.dtype)
            count = xp.sum(hit, axis=axes, keepdims=True)
            return xp.reshape(g, kept) / xp.where(count == 0, 1, count) * hit

        return out, (pull,)

    return rule


def _prod(xp, x, /, *, axis=None, dtype=None, keepdims=False):
    """Each entry's derivative is the product of the others, also where some are zero."""
    axes, before = _axes(x, axis), x.dtype
    kept = _kept(x.shape, axes)
    order = (*(i for i in range(x.ndim) if i not in axes), *axes)
    outer = tuple(x.shape[i] for i in order[: x.ndim - len(axes)])
    entries = math.prod(x.shape[i] for i in axes)

    def pull(g, xp):
        rows = xp.reshape(xp.permute_dims(x, order), (*outer, entries))
        others = _products_before(rows, xp) * xp.flip(_products_before(xp.flip(rows, axis=-1), xp), axis=-1)
        others = xp.reshape(others, tuple(x.shape[i] for i in order))
        back = tuple(order.index(i) for i in range(len(order)))
        g = xp.reshape(g, kept)
        return cast(g * spare(xp.permute_dims(others, back), g, xp=xp), before, xp=xp)

    return xp.prod(x, axis=axis, dtype=dtype, keepdims=keepdims), (pull,)


def _products_before(rows, xp):
    """The product of all entries before each one."""
    first = xp.ones_like(rows[..., :1])
    return xp.cumulative_prod(xp.concat([first, rows[..., :-1]], axis=-1), axis=-1)


def _cumulative_sum(xp, x, /, *, axis=None, dtype=None, include_initial=False):
    at, before = (0 if axis is None else axis) % x.ndim, x.dtype

    def pull(g, xp):
        g = g[(*(slice(None),) * at, slice(1, None), ...)] if include_initial else g
        return cast(xp.flip(xp.cumulative_sum(xp.flip(g, axis=at), axis=at), axis=at), before, xp=xp)

    return xp.cumulative_sum(x, axis=axis, dtype=dtype, include_initial=include_initial), (pull,)


def _cumulative_prod(xp, x, /, *, axis=None, dtype=None, include_initial=False):
    """Backwards, s_i = g_i + x_i+1 s_i+1; the derivative by x_i is s_i times the product of all before it."""
    at, before = (0 if axis is None else axis) % x.ndim, x.dtype

    def pull(g, xp):
        g, rows = xp.moveaxis(g, at, -1), xp.moveaxis(x, at, -1)
        g = g[..., 1:] if include_initial else g
        sums = [g[..., -1]] if g.shape[-1] else []
        for i in range(g.shape[-1] - 2, -1, -1):
            sums.append(g[..., i] + sums[-1] * spare(rows[..., i + 1], sums[-1], xp=xp))
        if not sums:
            return xp.zeros_like(x)
        slope = xp.stack(sums[::-1], axis=-1)
        pulled = slope * spare(_products_before(rows, xp), slope, xp=xp)
        return cast(xp.moveaxis(pulled, -1, at), before, xp=xp)

    return xp.cumulative_prod(x, axis=axis, dtype=dtype, include_initial=include_initial), (pull,)


def _diff(xp, x, /, *, axis=-1, n=1, prepend=None, append=None):
    if n != 1 or prepend is not None or append is not None:
        raise NotImplementedError("gradient has no rule for diff with n, prepend or append")
    at = axis % x.ndim

    def pull(g, xp):
        gap = xp.zeros((*g.shape[:at], 1, *g.shape[at + 1 :]), dtype=g.dtype, device=g.device)
        return xp.concat([gap, g], axis=at) - xp.concat([g, gap], axis=at)

    return xp.diff(x, axis=axis), (pull,)


def _matmul(xp, x, y, /):
    (a, left_dtype), (b, right_dtype) = _described(x), _described(y)
    rows = a if len(a) > 1 else (1, *a)  # a vector is a row on the left,
    columns = b if len(b) > 1 else (*b, 1)  # and a column on the right

    def wide(g):
        g = g[..., None] if len(b) == 1 else g
        return g[..., None, :] if len(a) == 1 else g

    def by_left(g, xp):
        found = spared(xp.matmul, wide(g), xp.reshape(y, columns).mT, xp=xp)
        return xp.reshape(onto(found, (rows, left_dtype), xp=xp), a)

    def by_right(g, xp):
        left, g = xp.reshape(x, rows), wide(g)
        if len(columns) == 2 and len(rows) > 2:  # all batches add up: one product
            left, g = (xp.reshape(z, (math.prod(z.shape[:-1]), z.shape[-1])) for z in (left, g))
        found = spared(lambda g, x: x @ g, g, left.mT, xp=xp)
        return xp.reshape(onto(found, (columns, right_dtype), xp=xp), b)

    return xp.matmul(x, y), (by_left, by_right)


def _described(x):
    return tuple(x.shape), x.dtype


def _tensordot(xp, x, y, /, *, axes=2):
    if isinstance(axes, int):
        axes = (tuple(range(x.ndim - axes, x.ndim)), tuple(range(axes)))
    left, right = (tuple(i % z.ndim for i in some) for z, some in zip((x, y), axes, strict=True))
    free_left = tuple(i for i in range(x.ndim) if i not in left)
    free_right = tuple(i for i in range(y.ndim) if i not in right)

    def by_left(g, xp):
        axes = tuple(range(len(free_left), g.ndim)), free_right
        found = spared(lambda g, y: xp.tensordot(g, y, axes=axes), g, y, xp=xp)  # free axes, then summed ones
        summed = tuple(left[i] for i in sorted(range(len(right)), key=right.__getitem__))
        return xp.permute_dims(found, _inverse((*free_left, *summed)))

    def by_right(g, xp):
        axes = free_left, tuple(range(len(free_left)))
        found = spared(lambda g, x: xp.tensordot(x, g, axes=axes), g, x, xp=xp)  # summed axes, then free ones
        summed = tuple(right[i] for i in sorted(range(len(left)), key=left.__getitem__))
        return xp.permute_dims(found, _inverse((*summed, *free_right)))

    return xp.tensordot(x, y, axes=axes), (by_left, by_right)


def _inverse(order):
    return tuple(order.index(i) for i in range(len(order)))


def _vecdot(xp, x, y, /, *, axis=-1):
    """The sum of conj(x) y."""
    a, b = like(x), like(y)

    def conj(z, xp):
        return xp.conj(z) if xp.isdtype(z.dtype, "complex floating") else z

    def by_left(g, xp):
        g = xp.expand_dims(g, axis=axis)
        return onto(conj(g * spare(y, g, xp=xp), xp), a, xp=xp)

    def by_right(g, xp):
        g = xp.expand_dims(g, axis=axis)
        return onto(g * spare(conj(x, xp), g, xp=xp), b, xp=xp)

    return xp.vecdot(x, y, axis=axis), (by_left, by_right)


SUMS: dict[str, Callable[..., Any]] = {
    "sum": _sum,
    "mean": _mean,
    "var": _var,
    "std": _std,
    "max": _extreme("max"),
    "min": _extreme("min"),
    "prod": _prod,
    "cumulative_sum": _cumulative_sum,
    "cumulative_prod": _cumulative_prod,
    "diff": _diff,
    "matmul": _matmul,
    "tensordot": _tensordot,
    "vecdot": _vecdot,
}
