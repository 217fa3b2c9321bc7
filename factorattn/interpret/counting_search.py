"""Cost rules of sorting and searching: comparisons and moves, no arithmetic, so bytes alone are counted.

What comes out, and where it goes, depends on values; how much there is of it depends on shapes alone.
"""

from collections.abc import Callable

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

__all__ = ["SEARCH"]

INDEX = np.dtype("int64")


def _noted(xp, name, out, *arrays):
    xp.tally.add(name, "select", (), sum(a.nbytes for a in arrays) + out.nbytes)
    return out


def _sort(xp, x, /, *, axis=-1, descending=False, stable=True):
    normalize_axis_index(axis, x.ndim)
    return _noted(xp, "sort", xp.array(x.shape, x.dtype), x)


def _argsort(xp, x, /, *, axis=-1, descending=False, stable=True):
    normalize_axis_index(axis, x.ndim)
    return _noted(xp, "argsort", xp.array(x.shape, INDEX), x)


def _found(name: str) -> Callable:
    """The position of an extreme entry."""

    def rule(xp, x, /, *, axis=None, keepdims=False):
        axes = range(x.ndim) if axis is None else (normalize_axis_index(axis, x.ndim),)
        if any(x.shape[a] == 0 for a in axes):
            raise ValueError(f"{name} of no entries is not defined, got shape {x.shape}")
        shape = tuple(1 if i in axes else length for i, length in enumerate(x.shape) if keepdims or i not in axes)
        return _noted(xp, name, xp.array(shape, INDEX), x)

    return rule


def _count_nonzero(xp, x, /, *, axis=None, keepdims=False):
    axes = range(x.ndim) if axis is None else np.atleast_1d(axis) % max(x.ndim, 1)
    shape = tuple(1 if i in axes else length for i, length in enumerate(x.shape) if keepdims or i not in axes)
    return _noted(xp, "count_nonzero", xp.array(shape, INDEX), x)


def _searchsorted(xp, x1, x2, /, *, side="left", sorter=None):
    return _noted(xp, "searchsorted", xp.array(x2.shape, INDEX), x1, x2)


def _take_along_axis(xp, x, indices, /, *, axis=-1):
    axis = normalize_axis_index(axis, x.ndim)
    if indices.ndim != x.ndim:
        raise ValueError(f"take_along_axis: {x.shape} and indices {indices.shape} need as many axes as each other")
    others = [[length for i, length in enumerate(a.shape) if i != axis] for a in (x, indices)]
    shape = list(np.broadcast_shapes(*others))
    shape.insert(axis, indices.shape[axis])
    out = xp.array(tuple(shape), x.dtype)
    xp.tally.add("take_along_axis", "move", (), 2 * out.nbytes + indices.nbytes)
    return out


def _repeat(xp, x, repeats, /, *, axis=None):
    if not isinstance(repeats, int):
        raise NotImplementedError("counting has no rule for repeat with an array of repeats")
    if axis is None:
        shape = (x.size * repeats,)
    else:
        axis = normalize_axis_index(axis, x.ndim)
        shape = tuple(length * (repeats if i == axis else 1) for i, length in enumerate(x.shape))
    out = xp.array(shape, x.dtype)
    xp.tally.add("repeat", "move", (), x.nbytes + out.nbytes)
    return out


SEARCH: dict[str, Callable] = {
    "sort": _sort,
    "argsort": _argsort,
    "argmax": _found("argmax"),
    "argmin": _found("argmin"),
    "count_nonzero": _count_nonzero,
    "searchsorted": _searchsorted,
    "take_along_axis": _take_along_axis,
    "repeat": _repeat,
}
