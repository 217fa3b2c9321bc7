"""Cost rules, a row per function of the array API: the shape of the result, the operations, the memory touched.

    elementwise     1 operation per entry of the result        contract    2 per product that is summed
    transcendental  1, counted apart                           reduce      1 per entry of the argument
    select          comparisons and choices: no arithmetic     move        bytes only
    view            nothing at all                             decompose   formulas of Golub and Van Loan

A name that is in none of the rows has no rule, and raises.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["FUNCTIONS", "LINALG", "OPERATORS"]

OPERATORS = {
    "add": "add",
    "sub": "subtract",
    "mul": "multiply",
    "truediv": "divide",
    "floordiv": "floor_divide",
    "mod": "remainder",
    "pow": "pow",
    "matmul": "matmul",
    "and": "logical_and",
    "or": "logical_or",
    "xor": "logical_xor",
    "eq": "equal",
    "ne": "not_equal",
    "lt": "less",
    "le": "less_equal",
    "gt": "greater",
    "ge": "greater_equal",
}

ELEMENTWISE = (
    "add subtract multiply divide floor_divide remainder negative positive abs square sign maximum minimum clip "
    "floor ceil round trunc reciprocal"
)
TRANSCENDENTAL = (
    "exp expm1 log log1p log2 log10 sqrt pow sin cos tan sinh cosh tanh asin acos atan atan2 hypot logaddexp"
)
SELECT = (
    "equal not_equal less less_equal greater greater_equal logical_and logical_or logical_xor logical_not "
    "isfinite isnan isinf"
)
REDUCE = "sum prod max min mean all any"
SCAN = "cumulative_sum cumulative_prod"


def _arrays(values):
    return [value for value in values if hasattr(value, "nbytes")]


def _dtype(values):
    """Array dtypes promote among themselves; a Python float makes an integer or boolean array float64."""
    dtype = np.result_type(*(value.dtype for value in _arrays(values)))
    return (
        np.result_type(dtype, np.float64) if dtype.kind in "bi" and any(isinstance(v, float) for v in values) else dtype
    )


def _entries(name: str, kind: str) -> Callable:
    def rule(xp, *values, **_):
        arrays = _arrays(values)
        dtype = np.dtype(bool) if kind == "select" else _dtype(values)
        out = xp.array(np.broadcast_shapes(*(a.shape for a in arrays)), dtype)
        counts = () if kind == "select" else (out.size,)
        xp.tally.add(name, kind, counts, sum(a.nbytes for a in arrays) + out.nbytes)
        return out

    return rule


def _where(xp, condition, a, b):
    arrays = _arrays((condition, a, b))
    dtype = _dtype([value for value in (a, b) if hasattr(value, "nbytes")] or [xp.array((), xp.float64)])
    out = xp.array(np.broadcast_shapes(*(x.shape for x in arrays)), dtype)
    xp.tally.add("where", "select", (), sum(x.nbytes for x in arrays) + out.nbytes)
    return out


def _reduce(name: str) -> Callable:
    def rule(xp, x, /, *, axis=None, keepdims=False, dtype=None):
        axes = range(x.ndim) if axis is None else [a % x.ndim for a in (axis if isinstance(axis, tuple) else (axis,))]
        shape = [1 if i in axes else length for i, length in enumerate(x.shape) if keepdims or i not in axes]
        default = xp.bool if name in ("all", "any") else x.dtype
        if name in ("sum", "prod") and x.dtype.kind == "b":
            default = xp.int64
        out = xp.array(tuple(shape), default if dtype is None else dtype)
        boolean = name in ("all", "any")
        xp.tally.add(name, "select" if boolean else "reduce", () if boolean else (x.size,), x.nbytes + out.nbytes)
        return out

    return rule


def _scan(name: str) -> Callable:
    def rule(xp, x, /, *, axis=None, dtype=None):
        out = xp.array(x.shape, x.dtype if dtype is None else dtype)
        xp.tally.add(name, "reduce", (x.size,), x.nbytes + out.nbytes)
        return out

    return rule


def _matmul(xp, a, b, /):
    if a.ndim < 2 or b.ndim < 2:
        raise NotImplementedError(f"counting has no rule for matmul of vectors: {a.shape} @ {b.shape}")
    if a.shape[-1] != b.shape[-2]:
        raise ValueError(f"matmul: inner sizes differ in {a.shape} @ {b.shape}")
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    out = xp.array((*batch, a.shape[-2], b.shape[-1]), _dtype((a, b)))
    xp.tally.add("matmul", "contract", (2 * out.size * a.shape[-1],), a.nbytes + b.nbytes + out.nbytes)
    return out


def _view(shape_of: Callable) -> Callable:
    def rule(xp, x, /, *args: Any, **options: Any):
        shape = shape_of(x, *args, **options)
        return xp.array(shape, x.dtype, base=x)

    return rule


def _reshaped(x, shape, *, copy=None):
    known = math.prod(length for length in shape if length != -1)
    shape = tuple(x.size // max(known, 1) if length == -1 else length for length in shape)
    if math.prod(shape) != x.size:
        raise ValueError(f"cannot reshape {x.shape} into {shape}")
    return shape


def _squeezed(x, axis):
    drop = [a % x.ndim for a in (axis if isinstance(axis, tuple) else (axis,))]
    return tuple(length for i, length in enumerate(x.shape) if i not in drop)


def _expanded(x, *, axis=0):
    shape = list(x.shape)
    shape.insert(axis if axis >= 0 else axis + x.ndim + 1, 1)
    return tuple(shape)


def _permuted(x, axes):
    return tuple(x.shape[a] for a in axes)


def _transposed(x):
    return (*x.shape[:-2], x.shape[-1], x.shape[-2])


def _joined(name: str) -> Callable:
    def rule(xp, arrays, /, *, axis=0):
        shape = list(arrays[0].shape)
        if name == "concat":
            shape[axis] = sum(a.shape[axis] for a in arrays)
        else:
            shape.insert(axis if axis >= 0 else axis + len(shape) + 1, len(arrays))
        out = xp.array(tuple(shape), _dtype(arrays))
        xp.tally.add(name, "move", (), 2 * out.nbytes)
        return out

    return rule


def _take(xp, x, indices, /, *, axis):
    shape = list(x.shape)
    shape[axis] = indices.size
    out = xp.array(tuple(shape), x.dtype)
    xp.tally.add("take", "move", (), 2 * out.nbytes + indices.nbytes)
    return out


def _astype(xp, x, dtype, /, *, copy=True, device=None):
    if not copy and x.dtype == dtype:
        return x
    out = xp.array(x.shape, dtype)
    xp.tally.add("astype", "move", (), x.nbytes + out.nbytes)
    return out


def _same_shape(xp, x, /, *args, **_):
    out = xp.array(x.shape, x.dtype)
    xp.tally.add("copy", "move", (), 2 * out.nbytes)
    return out


def _create(xp, shape, *args, dtype=None, device=None):
    return xp.array((shape,) if isinstance(shape, int) else tuple(shape), xp.float64 if dtype is None else dtype)


def _create_like(xp, x, /, *args, dtype=None, device=None):
    return xp.array(x.shape, x.dtype if dtype is None else dtype)


def _arange(xp, start, /, stop=None, step=1, *, dtype=None, device=None):
    start, stop = (0, start) if stop is None else (start, stop)
    return xp.array((max(0, math.ceil((stop - start) / step)),), xp.int64 if dtype is None else dtype)


def _eye(xp, rows, cols=None, /, *, k=0, dtype=None, device=None):
    return xp.array((rows, rows if cols is None else cols), xp.float64 if dtype is None else dtype)


def _asarray(xp, x, /, *, dtype=None, device=None, copy=None):
    if hasattr(x, "nbytes") and not isinstance(x, np.ndarray):
        return x if dtype is None or x.dtype == dtype else _astype(xp, x, dtype)
    values = np.asarray(x)
    return xp.array(values.shape, values.dtype if dtype is None else dtype)


def _result_type(xp, *values):
    return np.result_type(*(getattr(value, "dtype", value) for value in values))


def _isdtype(xp, dtype, kind):
    kinds = kind if isinstance(kind, tuple) else (kind,)
    return any(np.isdtype(dtype, one) for one in kinds)


def _finfo(xp, dtype):
    return np.finfo(getattr(dtype, "dtype", dtype))


def _svd(xp, a, /, *, full_matrices=True):
    """Thin SVD by R-SVD: 6 p q^2 + 20 q^3 for p >= q (Golub and Van Loan, 4th edition, section 8.6)."""
    if full_matrices:
        raise NotImplementedError("counting has no rule for linalg.svd with full_matrices=True")
    *batch, p, q = a.shape
    big, small, items = max(p, q), min(p, q), math.prod(batch)
    u, s, vt = (xp.array((*batch, *shape), a.dtype) for shape in ((p, small), (small,), (small, q)))
    moved = a.nbytes + u.nbytes + s.nbytes + vt.nbytes
    xp.tally.add("linalg.svd", "decompose", (6 * items * big * small**2, 20 * items * small**3), moved)
    return u, s, vt


FUNCTIONS: dict[str, Callable] = {
    **{name: _entries(name, "elementwise") for name in ELEMENTWISE.split()},
    **{name: _entries(name, "transcendental") for name in TRANSCENDENTAL.split()},
    **{name: _entries(name, "select") for name in SELECT.split()},
    **{name: _reduce(name) for name in REDUCE.split()},
    **{name: _scan(name) for name in SCAN.split()},
    "where": _where,
    "matmul": _matmul,
    "reshape": _view(_reshaped),
    "permute_dims": _view(_permuted),
    "matrix_transpose": _view(_transposed),
    "broadcast_to": _view(lambda x, shape: tuple(shape)),
    "expand_dims": _view(_expanded),
    "squeeze": _view(_squeezed),
    "concat": _joined("concat"),
    "stack": _joined("stack"),
    "take": _take,
    "flip": _same_shape,
    "roll": _same_shape,
    "tril": _same_shape,
    "triu": _same_shape,
    "astype": _astype,
    "asarray": _asarray,
    **dict.fromkeys(("empty", "zeros", "ones", "full"), _create),
    **dict.fromkeys(("empty_like", "zeros_like", "ones_like", "full_like"), _create_like),
    "arange": _arange,
    "eye": _eye,
    "result_type": _result_type,
    "isdtype": _isdtype,
    "finfo": _finfo,
}

LINALG: dict[str, Callable] = {"svd": _svd}
