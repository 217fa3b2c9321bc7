"""Cost rules, a row per function of the array API: the shape of the result, the operations, the memory touched.

    elementwise     1 operation per entry of the result        contract    2 per product that is summed
    transcendental  1, counted apart                           reduce      1 per entry of the argument
    select          comparisons and choices: no arithmetic     move        bytes only
    view            nothing at all                             decompose   see `counting_linalg`

Complex numbers count as the operations on real ones that they stand for, see `counting_complex`.

A name that is in none of the rows has no rule, and raises. Shapes and refusals are NumPy's.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from factorattn.interpret.counting_complex import COMPLEX, contractions, real_dtype, weight
from factorattn.interpret.counting_search import SEARCH

__all__ = ["FUNCTIONS"]

ELEMENTWISE = (
    "add subtract multiply divide floor_divide remainder negative positive abs square sign maximum minimum clip "
    "floor ceil round trunc reciprocal"
)
TRANSCENDENTAL = (
    "exp expm1 log log1p log2 log10 sqrt pow sin cos tan sinh cosh tanh asin acos atan atan2 hypot logaddexp"
)
COMPARE = "equal not_equal less less_equal greater greater_equal isfinite isnan isinf"
LOGIC = "logical_and logical_or logical_xor logical_not"
REDUCE = "sum prod max min mean all any"
SCAN = "cumulative_sum cumulative_prod"


def _arrays(values):
    return [value for value in values if hasattr(value, "nbytes")]


def _dtype(values):
    """Array dtypes promote among themselves; a Python float makes an integer or boolean array float64."""
    dtype = np.result_type(*(value.dtype for value in _arrays(values)))
    mixed = dtype.kind in "bi" and any(isinstance(value, float) for value in values)
    return np.result_type(dtype, np.float64) if mixed else dtype


def _shape(arrays):
    return np.broadcast_shapes(*(a.shape for a in arrays))


def _dummy(x):
    """A NumPy array of the shape and dtype of x in the memory of one number, to ask NumPy about views."""
    return np.broadcast_to(np.empty((), x.dtype), x.shape)


def _entries(name: str, kind: str) -> Callable:
    def rule(xp, *values, **named):
        values = (*values, *named.values())  # clip has min= and max=
        arrays = _arrays(values)
        if name.startswith("logical") and any(a.dtype.kind != "b" for a in arrays):
            raise NotImplementedError(f"counting has no rule for {name} of integers")
        dtype = np.dtype(bool) if kind == "select" else _dtype(values)
        if dtype.kind in "bi" and name != "pow" and (kind == "transcendental" or name == "divide"):
            dtype = np.dtype(np.float64)
        out = xp.array(_shape(arrays), real_dtype(dtype) if name == "abs" else dtype)
        each = weight(name, *values)
        counts = () if kind == "select" else (each * out.size,)
        xp.tally.add(name, kind, counts, sum(a.nbytes for a in arrays) + out.nbytes)
        return out

    return rule


def _where(xp, condition, a, b):
    arrays = _arrays((condition, a, b))
    out = xp.array(_shape(arrays), _dtype((a, b)))
    xp.tally.add("where", "select", (), sum(x.nbytes for x in arrays) + out.nbytes)
    return out


def _reduce(name: str) -> Callable:
    boolean = name in ("all", "any")

    def rule(xp, x, /, *, axis=None, keepdims=False, dtype=None):
        axes = range(x.ndim) if axis is None else normalize_axis_tuple(axis, x.ndim)
        if name in ("max", "min") and any(x.shape[a] == 0 for a in axes):
            raise ValueError(f"{name} of no entries is not defined, got shape {x.shape}")
        shape = tuple(1 if i in axes else length for i, length in enumerate(x.shape) if keepdims or i not in axes)
        default = xp.bool if boolean else _sum_dtype(x) if name in ("sum", "prod") else x.dtype
        if name == "mean" and x.dtype.kind in "bi":
            default = xp.float64
        out = xp.array(shape, default if dtype is None else dtype)
        counts = (weight(name, x) * x.size,)
        xp.tally.add(name, "select" if boolean else "reduce", () if boolean else counts, x.nbytes + out.nbytes)
        return out

    return rule


def _sum_dtype(x):
    """Sums of small integers and booleans are int64."""
    return np.result_type(x.dtype, np.int64) if x.dtype.kind in "bi" else x.dtype


def _scan(name: str) -> Callable:
    def rule(xp, x, /, *, axis=None, dtype=None):
        normalize_axis_index(0 if axis is None else axis, x.ndim)
        out = xp.array(x.shape, _sum_dtype(x) if dtype is None else dtype)
        xp.tally.add(name, "reduce", (weight(name, x) * x.size,), x.nbytes + out.nbytes)
        return out

    return rule


def _matmul(xp, a, b, /):
    if a.ndim < 2 or b.ndim < 2:
        raise NotImplementedError(f"counting has no rule for matmul of vectors: {a.shape} @ {b.shape}")
    if a.shape[-1] != b.shape[-2]:
        raise ValueError(f"matmul: inner sizes differ in {a.shape} @ {b.shape}")
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    out = xp.array((*batch, a.shape[-2], b.shape[-1]), _dtype((a, b)))
    xp.tally.add("matmul", "contract", (contractions(a, b) * out.size * a.shape[-1],), a.nbytes + b.nbytes + out.nbytes)
    return out


def _view(shape_of: Callable) -> Callable:
    def rule(xp, x, /, *args: Any, **options: Any):
        return xp.array(shape_of(x, *args, **options), x.dtype, base=x)

    return rule


def _asked(view: Callable) -> Callable:
    """A view whose shape NumPy is asked for."""
    return _view(lambda x, *args, **options: view(_dummy(x), *args, **options).shape)


def _reshaped(x, shape, *, copy=None):
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    known = math.prod(length for length in shape if length != -1)
    if -1 in shape and known == 0:
        raise ValueError(f"cannot reshape {x.shape} into {shape}: -1 could be anything")
    shape = tuple(x.size // max(known, 1) if length == -1 else length for length in shape)
    if math.prod(shape) != x.size:
        raise ValueError(f"cannot reshape {x.shape} into {shape}")
    return shape


def _joined(name: str) -> Callable:
    def rule(xp, arrays, /, *, axis=0):
        first, *others = arrays
        axis = normalize_axis_index(axis, first.ndim + (name == "stack"))
        along = [0] * first.ndim if name == "stack" else [int(i == axis) for i in range(first.ndim)]
        for other in others:
            fits = other.ndim == first.ndim and all(
                free or a == b for free, a, b in zip(along, first.shape, other.shape, strict=True)
            )
            if not fits:
                raise ValueError(f"{name}: shapes {first.shape} and {other.shape} do not fit along axis {axis}")
        shape = list(first.shape)
        if name == "stack":
            shape.insert(axis, len(arrays))
        else:
            shape[axis] = sum(a.shape[axis] for a in arrays)
        out = xp.array(tuple(shape), _dtype(arrays))
        xp.tally.add(name, "move", (), 2 * out.nbytes)
        return out

    return rule


def _unstack(xp, x, /, *, axis=0):
    axis = normalize_axis_index(axis, x.ndim)
    return tuple(x[(*(slice(None),) * axis, i, ...)] for i in range(x.shape[axis]))


def _take(xp, x, indices, /, *, axis):
    if indices.ndim != 1:
        raise ValueError(f"take: indices must have one axis, got shape {indices.shape}")
    shape = list(x.shape)
    shape[normalize_axis_index(axis, x.ndim)] = indices.size
    out = xp.array(tuple(shape), x.dtype)
    xp.tally.add("take", "move", (), 2 * out.nbytes + indices.nbytes)
    return out


def _astype(xp, x, dtype, /, *, copy=True, device=None):
    if not copy and x.dtype == dtype:
        return x
    out = xp.array(x.shape, dtype)
    xp.tally.add("astype", "move", (), x.nbytes + out.nbytes)
    return out


def _rearranged(name: str) -> Callable:
    def rule(xp, x, /, *args, **_):
        out = xp.array(x.shape, x.dtype)
        xp.tally.add(name, "move", (), 2 * out.nbytes)
        return out

    return rule


def _create(name: str, like: bool = False) -> Callable:
    """A new array; unless empty it is written to once."""

    def rule(xp, model, /, *fill, dtype=None, device=None):
        shape = model.shape if like else (model,) if isinstance(model, int) else tuple(model)
        default = model.dtype if like else np.asarray(fill[0]).dtype if fill else xp.float64
        out = xp.array(shape, default if dtype is None else dtype)
        xp.tally.add(name, "move", (), 0 if name.startswith("empty") else out.nbytes)
        return out

    return rule


def _arange(xp, start, /, stop=None, step=1, *, dtype=None, device=None):
    start, stop = (0, start) if stop is None else (start, stop)
    default = np.asarray(start + step).dtype
    out = xp.array((max(0, math.ceil((stop - start) / step)),), default if dtype is None else dtype)
    xp.tally.add("arange", "move", (), out.nbytes)
    return out


def _eye(xp, rows, cols=None, /, *, k=0, dtype=None, device=None):
    out = xp.array((rows, rows if cols is None else cols), xp.float64 if dtype is None else dtype)
    xp.tally.add("eye", "move", (), out.nbytes)
    return out


def _asarray(xp, x, /, *, dtype=None, device=None, copy=None):
    if hasattr(x, "__array_namespace__") and not isinstance(x, np.ndarray):
        return _astype(xp, x, x.dtype if dtype is None else dtype, copy=bool(copy))
    values = np.asarray(x)
    return xp.array(values.shape, values.dtype if dtype is None else dtype)


def _result_type(xp, *values):
    return np.result_type(*(getattr(value, "dtype", value) for value in values))


def _isdtype(xp, dtype, kind):
    kinds = kind if isinstance(kind, tuple) else (kind,)
    return any(np.isdtype(dtype, one) for one in kinds)


def _finfo(xp, dtype):
    return np.finfo(getattr(dtype, "dtype", dtype))


FUNCTIONS: dict[str, Callable] = {
    **{name: _entries(name, "elementwise") for name in ELEMENTWISE.split()},
    **{name: _entries(name, "transcendental") for name in TRANSCENDENTAL.split()},
    **{name: _entries(name, "select") for name in (*COMPARE.split(), *LOGIC.split())},
    **{name: _reduce(name) for name in REDUCE.split()},
    **{name: _scan(name) for name in SCAN.split()},
    **SEARCH,
    **COMPLEX,
    "where": _where,
    "matmul": _matmul,
    "reshape": _view(_reshaped),
    "permute_dims": _asked(np.permute_dims),
    "matrix_transpose": _asked(np.matrix_transpose),
    "broadcast_to": _asked(np.broadcast_to),
    "expand_dims": _asked(lambda x, *, axis=0: np.expand_dims(x, axis)),
    "squeeze": _asked(np.squeeze),
    "moveaxis": _asked(np.moveaxis),
    "concat": _joined("concat"),
    "stack": _joined("stack"),
    "unstack": _unstack,
    "take": _take,
    **{name: _rearranged(name) for name in ("flip", "roll", "tril", "triu")},
    "astype": _astype,
    "asarray": _asarray,
    **{name: _create(name) for name in ("empty", "zeros", "ones", "full")},
    **{name: _create(name, like=True) for name in ("empty_like", "zeros_like", "ones_like", "full_like")},
    "arange": _arange,
    "eye": _eye,
    "result_type": _result_type,
    "isdtype": _isdtype,
    "finfo": _finfo,
}
