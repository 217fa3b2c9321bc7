"""Every rule of the table, on every library: back, forward and twice, against central differences."""

import importlib

import numpy as np
import pytest
from libraries import LIBRARIES

from factorattn.interpret.gradient import grad, jvp, vjp
from factorattn.interpret.gradient_array import Array
from factorattn.interpret.gradient_rules import RULES
from factorattn.interpret.tree import tree_leaves
from factorattn.testing import differences


def around(shape, low=-1.0, high=1.0, *, seed=0):
    """Numbers between two, none of them near another or near zero."""
    rng = np.random.default_rng(seed)
    steps = (rng.permutation(int(np.prod(shape))) + 0.3) / max(np.prod(shape), 1)
    return (low + (high - low) * steps).reshape(shape)


X, Y, ROW = around((3, 4)), around((3, 4), 0.2, 2.0, seed=1), around((1, 4), 0.5, 1.5, seed=2)
INDEX = np.asarray([2, 0, 2, 1])
SEEN = np.asarray([[True, False, True, True]] * 2 + [[False, True, True, False]])

# For each function: calls of it, as f(xp, *arrays), at arrays where it is smooth.
CALLS = {
    **{
        name: [(lambda xp, x, name=name: getattr(xp, name)(x), X)]
        for name in ("exp", "expm1", "tanh", "positive", "square", "sin", "cos", "tan", "sinh", "cosh", "asin", "acos")
        + ("atan", "asinh", "atanh", "log1p", "negative", "abs", "real", "conj")
    },
    **{
        name: [(lambda xp, x, name=name: getattr(xp, name)(x), Y)]
        for name in ("log", "log2", "log10", "sqrt", "reciprocal")
    },
    **{
        name: [
            (lambda xp, x, y, name=name: getattr(xp, name)(x, y), X, Y),
            (lambda xp, x, y, name=name: getattr(xp, name)(x, y), X, ROW),
            (lambda xp, x, y, name=name: getattr(xp, name)(y, x), X[0, :], ROW),
        ]
        for name in ("add", "subtract", "multiply", "divide", "atan2", "hypot", "logaddexp", "maximum", "minimum")
    },
    "sign": [(lambda xp, x: xp.sign(x) * x, X)],
    "copysign": [(lambda xp, x, y: xp.copysign(y, x), X, ROW), (lambda xp, x, y: xp.copysign(x, y), X[0, :], X)],
    "acosh": [(lambda xp, x: xp.acosh(x + 1), Y)],
    "remainder": [(lambda xp, x, y: xp.remainder(x, y), 2 * X, Y)],
    "pow": [
        (lambda xp, x, y: xp.pow(x, y), Y, X),
        (lambda xp, x, y: xp.pow(x, y), ROW, X),
        (lambda xp, x, y: xp.pow(x, y), Y, ROW),
        (lambda xp, x: x**3, X),
        (lambda xp, x: x**0, X),
        (lambda xp, x: x**-1.5, Y),
        (lambda xp, x: 2.0**x, X),
    ],
    "clip": [(lambda xp, x: xp.clip(x, -0.5, 0.5), X), (lambda xp, x: xp.clip(x, max=0.1), X)]
    + [
        (lambda xp, x, y, z: xp.clip(x, y, z), X, ROW - 1, ROW - 0.7),
        (lambda xp, x, y, z: xp.clip(x, max=z, min=y), X, ROW - 1, X * 0 + 0.1),
    ],
    "where": [(lambda xp, x, y: xp.where(x > 0, x * y, y), X, ROW), (lambda xp, x, y: xp.where(x > 0, y, x), X, ROW)],
    "imag": [(lambda xp, x: xp.imag(xp.exp(1j * x)), X)],
    "reshape": [(lambda xp, x: xp.reshape(x, (2, 6)), X)],
    "squeeze": [(lambda xp, x: xp.squeeze(x, axis=0), ROW)],
    "expand_dims": [(lambda xp, x: xp.expand_dims(x, axis=1), X)],
    "permute_dims": [(lambda xp, x: xp.permute_dims(x[None, ...], (2, 0, 1)), X)],
    "moveaxis": [(lambda xp, x: xp.moveaxis(x[None, ...], 0, 2), X)],
    "matrix_transpose": [(lambda xp, x: xp.matrix_transpose(x), X)],
    "broadcast_to": [(lambda xp, x: xp.broadcast_to(x, (2, 3, 4)), ROW)],
    "broadcast_arrays": [(lambda xp, x, y: tuple(xp.broadcast_arrays(x, y)), X, ROW)],
    "meshgrid": [
        (lambda xp, x, y: tuple(xp.meshgrid(x, y)), X[0, :], ROW[0, :3]),
        (lambda xp, x, y: tuple(xp.meshgrid(x, y, x, indexing="ij")), X[0, :], ROW[0, :3]),
        (lambda xp, x: tuple(xp.meshgrid(x)), X[0, :]),
    ],
    "flip": [(lambda xp, x: xp.flip(x, axis=1), X), (lambda xp, x: xp.flip(x), X)],
    "roll": [(lambda xp, x: xp.roll(x, 3, axis=1), X), (lambda xp, x: xp.roll(x, (1, 2), axis=(0, 1)), X)],
    "tril": [(lambda xp, x: xp.tril(x), X)],
    "triu": [(lambda xp, x: xp.triu(x, k=1), X)],
    "concat": [
        (lambda xp, x, y: xp.concat([x, y, x], axis=0), X, ROW),
        (lambda xp, x, y: xp.concat([x, y, x], axis=None), X, ROW),
    ],
    "stack": [(lambda xp, x, y: xp.stack([x, y], axis=-1), X, Y)],
    "unstack": [(lambda xp, x: xp.unstack(x, axis=1), X)],
    "repeat": [(lambda xp, x: xp.repeat(x, 3, axis=0), X), (lambda xp, x: xp.repeat(x, 2), X)],
    "tile": [(lambda xp, x: xp.tile(x, (2, 3)), X), (lambda xp, x: xp.tile(x, (2, 1, 3)), X)],
    "astype": [(lambda xp, x: xp.astype(x, xp.float64, copy=True) * 2, X)],
    "asarray": [(lambda xp, x: xp.asarray(x, copy=True) * 2, X)],
    "_to_device": [(lambda xp, x: x.to_device(x.device) * 2, X)],
    "full": [
        (lambda xp, x: xp.full((2, 3), xp.sum(x), dtype=xp.float64), X),
        (lambda xp, x: x * xp.full(shape=4, fill_value=xp.sum(x)), X),
    ],
    "full_like": [
        (lambda xp, x: xp.full_like(x, xp.sum(x)), X),
        (lambda xp, x: x * xp.full_like(x, fill_value=2.0), X),
    ],
    "take": [(lambda xp, x: xp.take(x, xp.asarray(INDEX), axis=0), X)],
    "take_along_axis": [
        (lambda xp, x: xp.take_along_axis(x, xp.asarray(np.tile(INDEX, (3, 1))), axis=1), X),
        (lambda xp, x: xp.take_along_axis(x, xp.asarray(INDEX[:, None]), axis=0), X[:, :1]),
    ],
    "sort": [(lambda xp, x: xp.sort(x, axis=0), X), (lambda xp, x: xp.sort(x, axis=-1, descending=True), X)],
    "_getitem": [
        (lambda xp, x: x[1, ...], X),
        (lambda xp, x: x[..., 1:3], X),
        (lambda xp, x: x[:, None, ::2], X),
        (lambda xp, x: x[-1:, 2], X),
        (lambda xp, x: x[xp.asarray(INDEX), xp.asarray(INDEX)], np.concat([X, Y])),
        (lambda xp, x: x[xp.asarray(INDEX % 2 == 0), ...], np.concat([X, ROW])),
    ],
    "_place": [(lambda xp, x: xp._place(x, (5, 4), (slice(1, 4), slice(None)), x.device), X)],
    "_add_at": [(lambda xp, x: xp._add_at(x, xp.asarray(INDEX), 3, 1), X)],
    "sum": [(lambda xp, x: xp.sum(x), X), (lambda xp, x: xp.sum(x, axis=0, keepdims=True), X)],
    "mean": [(lambda xp, x: xp.mean(x, axis=1), X), (lambda xp, x: xp.mean(x, axis=(0, 1)), X)],
    "var": [
        (lambda xp, x: xp.var(x, axis=1, correction=1.0), X),
        (lambda xp, x: xp.var(x, axis=(0, 1), keepdims=True), X),
    ],
    "std": [(lambda xp, x: xp.std(x, axis=0), X)],
    "max": [(lambda xp, x: xp.max(x, axis=1), X), (lambda xp, x: xp.max(x), X)],
    "min": [(lambda xp, x: xp.min(x, axis=0, keepdims=True), X)],
    "prod": [(lambda xp, x: xp.prod(x, axis=0), X), (lambda xp, x: xp.prod(x), Y)],
    "cumulative_sum": [
        (lambda xp, x: xp.cumulative_sum(x, axis=1), X),
        (lambda xp, x: xp.cumulative_sum(x, axis=0, include_initial=True), X),
    ],
    "cumulative_prod": [
        (lambda xp, x: xp.cumulative_prod(x, axis=1), X),
        (lambda xp, x: xp.cumulative_prod(x, axis=0, include_initial=True), X),
    ],
    "diff": [(lambda xp, x: xp.diff(x, axis=1), X)],
    "matmul": [
        (lambda xp, x, y: x @ y.mT, X, Y),
        (lambda xp, x, y: x[None, ...] @ y.mT, X, Y),
        (lambda xp, x, y: xp.stack([x, y]) @ y.mT, X, Y),
        (lambda xp, x, y: x @ xp.stack([y.mT, x.mT]), X, Y),
        (lambda xp, x, y: x @ y[0, :], X, Y),
        (lambda xp, x, y: x[..., 0] @ y, X, Y),
        (lambda xp, x, y: x[0, :] @ y[0, :], X, Y),
    ],
    "tensordot": [
        (lambda xp, x, y: xp.tensordot(x, y, axes=((1,), (1,))), X, Y),
        (lambda xp, x, y: xp.tensordot(x[None, ...], y, axes=((2, 1), (1, 0))), X, Y),
        (lambda xp, x, y: xp.tensordot(x, y.mT, axes=1), X, Y),
    ],
    "vecdot": [(lambda xp, x, y: xp.vecdot(x, y), X, ROW), (lambda xp, x, y: xp.vecdot(x, y, axis=-2), X, Y)],
}


def test_every_rule_is_tried():
    assert sorted(CALLS) == sorted(RULES)


every_call = pytest.mark.parametrize(
    ("f", "arrays"),
    [
        pytest.param(f, arrays, id=f"{name}-{i}")
        for name, cases in CALLS.items()
        for i, (f, *arrays) in enumerate(cases)
    ],
)


def called(f):
    """The function of arrays that are differentiated, and of plain ones: of these, the value that goes with it."""

    def on(*xs):
        return f(xs[0].__array_namespace__(), *xs) if isinstance(xs[0], Array) else vjp(on, *xs)[0]

    return on


@every_call
def test_a_rule_agrees_with_differences(f, arrays):
    differences.check_gradients(called(f), *arrays)


@every_call
def test_a_rule_is_differentiated_again(f, arrays):
    def slope(x, *rest):
        def total(x):
            out = f(x.__array_namespace__(), x, *rest)
            parts = out if isinstance(out, tuple) else (out,)
            return sum(x.__array_namespace__().sum(part * part * part) for part in parts)

        return grad(total)(x)

    differences.check_gradients(slope, *arrays[:1], *(np.array(x) for x in arrays[1:]))


@pytest.mark.parametrize("library", LIBRARIES[1:])
@every_call
def test_a_rule_is_the_same_on_every_library(f, arrays, library):
    """Back, and forward along the arrays themselves."""
    xp = importlib.import_module(library)
    if not all(hasattr(xp, name) for name in ("cumulative_prod", "take_along_axis")):
        pytest.skip(f"{library} is older than these functions")

    def pulled(asarray):
        out, pullback = vjp(called(f), *map(asarray, arrays))
        ones = tuple(x * 0 + 1 for x in out) if isinstance(out, tuple) else out * 0 + 1
        given = tuple(map(asarray, arrays))
        return *pullback(ones), *tree_leaves(jvp(called(f), given, given)[1])

    for got, want in zip(pulled(xp.asarray), pulled(np.asarray), strict=True):
        want = np.array(want)
        assert xp.asarray(want).dtype == got.dtype
        np.testing.assert_allclose(np.asarray(got), want, rtol=differences.ROUNDING(np.float64, want.size), atol=0)
