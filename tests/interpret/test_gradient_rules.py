"""Every rule of the table, on every library: back, forward and twice, against central differences."""

import array_api_strict as strict
import numpy as np
import pytest
from libraries import LIBRARIES

from factorattn.interpret.gradient import grad, jvp, stop_gradient, vjp
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
        (lambda xp, x, y, z: xp.clip(x, max=z, min=y), X, ROW - 1, X * 0 + 0.6),
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
        (lambda xp, x: xp.take_along_axis(x, xp.asarray(SEEN[:2, :] * 2), axis=0), X[:, :1]),
    ],
    "sort": [(lambda xp, x: xp.sort(x, axis=0), X), (lambda xp, x: xp.sort(x, axis=-1, descending=True), X)],
    "_getitem": [
        (lambda xp, x: x[1, ...], X),
        (lambda xp, x: x[..., 1:3], X),
        (lambda xp, x: x[:, None, ::2], X),
        (lambda xp, x: x[-1:, 2], X),
        (lambda xp, x: x[xp.asarray(INDEX), xp.asarray(INDEX)], np.concat([X, Y])),
        (lambda xp, x: x[xp.asarray(SEEN)], X),
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
    xp = pytest.importorskip(library)
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


# Dtypes, devices and edges


def of(x, name, *rest, **options):
    return getattr(x.__array_namespace__(), name)(x, *rest, **options)


def test_each_gradient_has_the_dtype_of_its_array():
    x = X.astype(np.float32)

    def f(x, y, z):
        xp = x.__array_namespace__()
        return xp.concat([x * y, 2.5 * z + np.float64(3), x**2 / y], axis=0)

    out, pullback = vjp(f, x, Y, ROW.astype(np.float16))
    assert [g.dtype.name for g in pullback(np.ones_like(out))] == ["float32", "float64", "float16"]
    for name in ("concat", "stack"):
        out, pullback = vjp(lambda x, y, name=name: getattr(x.__array_namespace__(), name)([x, y]), x, Y)
        assert [g.dtype.name for g in pullback(np.ones_like(out))] == ["float32", "float64"]


def test_whole_numbers_and_truths_meet_what_is_differentiated():
    exponents = np.asarray([[0, 1, 2, 3]], dtype=np.uint8)
    found = grad(lambda x: of(x, "sum", axis=None) + of((x > 0) * x**3, "sum"))(X)
    np.testing.assert_allclose(found, 1 + 3 * X**2 * (X > 0))
    np.testing.assert_array_equal(grad(lambda x: of(x**exponents, "sum"))(1e30 * np.ones((1, 4)))[0, :2], [0, 1])
    differences.check_gradients(lambda x: np.asarray([[1, 2, 3, 4]]) ** x, X)


@pytest.mark.parametrize("name", ["concat", "asarray", "astype", "to_device", "full", "full_like"])
def test_a_gradient_comes_back_to_the_device_of_its_array(name):
    here, there = strict.Device("device1"), strict.Device("CPU_DEVICE")
    calls = {
        "concat": lambda xp, x: xp.concat([x, x * xp.ones_like(x)]),
        "asarray": lambda xp, x: xp.asarray(x, device=there),
        "astype": lambda xp, x: xp.astype(x, strict.float32, device=there),
        "to_device": lambda xp, x: x.to_device(there),
        "full": lambda xp, x: xp.full((2,), xp.sum(x), device=there),
        "full_like": lambda xp, x: xp.full_like(x, xp.sum(x), device=there),
    }
    x = strict.asarray(X, device=here)
    out, pullback = vjp(lambda x: calls[name](x.__array_namespace__(), x), x)
    assert out.device == (here if name == "concat" else there)
    assert pullback(strict.ones_like(out))[0].device == here


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
@pytest.mark.parametrize(
    "name", ["sum", "prod", "cumulative_sum", "cumulative_prod", "sort", "flip", "diff", "square", "concat", "take"]
)
def test_arrays_without_entries_have_gradients_without_entries(name, shape):
    def f(x):
        xp = x.__array_namespace__()
        if name == "concat":
            return xp.concat([x, x], axis=1)
        if name == "take":
            return xp.take(x, np.asarray([], dtype=np.int64), axis=0)
        axis = {} if name == "square" else {"axis": 0}
        if name == "diff" and not shape[0]:
            return x
        return getattr(xp, name)(x, **axis)

    out, pullback = vjp(f, np.ones(shape))
    assert pullback(np.ones_like(out))[0].shape == shape


@pytest.mark.parametrize("name", ["sum", "prod", "max", "mean", "var"])
def test_a_reduction_along_no_axis(name):
    differences.check_gradients(lambda x: of(x, name, axis=()), X)


def test_products_with_zeros():
    x = np.asarray([[0.0, 2.0, 3.0], [0.0, 0.0, 5.0]])
    np.testing.assert_array_equal(grad(lambda x: of(of(x, "prod", axis=1), "sum"))(x), [[6, 0, 0], [0, 0, 0]])
    differences.check_gradients(lambda x: of(x, "cumulative_prod", axis=1), x)


def test_lengths_have_derivative_zero_at_zero():
    zero = np.zeros((2, 3))
    for f in (lambda x: of(x, "hypot", 2 * x), lambda x: of(x, "std", axis=1), lambda x: of(x, "abs")):
        np.testing.assert_array_equal(grad(lambda x, f=f: of(f(x), "sum"))(zero), zero)


def test_powers_of_a_number_that_is_not_positive():
    two = np.asarray(2.0)
    assert grad(lambda x: 0.0**x)(two) == 0
    assert grad(lambda x: (0 * stop_gradient(x)) ** (x - 2))(two) == 0  # as of 0.0 ** x, here and at once
    assert np.isnan(grad(lambda x: (-2.0) ** x)(two))
    _, pullback = vjp(lambda x: 1j**x, two + 0j)
    np.testing.assert_allclose(pullback(np.asarray(1 + 0j))[0], -0.5j * np.pi)


@pytest.mark.filterwarnings("ignore:Degrees of freedom", "ignore:invalid value", "ignore:divide by zero")
def test_a_variance_of_too_few_numbers_is_told_and_does_not_raise():
    for name in ("var", "std"):
        out, pullback = vjp(lambda x, name=name: of(x, name, axis=0, correction=3), X)
        assert not np.any(np.isfinite(out) | np.isfinite(pullback(np.ones(4))[0]))


def test_the_sign_of_a_complex_number_turns():
    z, t, g = X + 1j * Y, Y - 0.5j * X, X - 2j * Y
    h = 2.0**-12
    want = (np.sign(z + h * t) - np.sign(z - h * t)) / (2 * h)
    np.testing.assert_allclose(jvp(lambda z: of(z, "sign"), (z,), (t,))[1], want, rtol=h)
    (pulled,) = vjp(lambda z: of(z, "sign"), z)[1](g)
    np.testing.assert_allclose(np.sum((pulled * t).real), np.sum((g * want).real), rtol=h)
    np.testing.assert_array_equal(vjp(lambda x: of(x, "imag"), X)[1](Y)[0], 0 * X)


COMPLEX = {
    **{
        name: lambda xp, z, w, name=name: getattr(xp, name)(z)
        for name in ("exp", "expm1", "tanh", "reciprocal", "positive", "square", "sin", "cos", "tan", "sinh", "cosh")
        + ("asin", "acos", "atan", "asinh", "acosh", "atanh", "log", "log2", "log10", "log1p", "sqrt", "negative")
        + ("abs", "sign", "real", "imag", "conj", "sum", "prod", "mean")
    },
    **{
        name: lambda xp, z, w, name=name: getattr(xp, name)(z, w)
        for name in ("add", "subtract", "multiply", "divide", "pow", "vecdot")
    },
    "cumulative_sum": lambda xp, z, w: xp.cumulative_sum(z, axis=1),
    "cumulative_prod": lambda xp, z, w: xp.cumulative_prod(z, axis=1),
    "matmul": lambda xp, z, w: z @ w.mT,
    "tensordot": lambda xp, z, w: xp.tensordot(z, w, axes=((1, 0), (1, 0))),
    "where": lambda xp, z, w: xp.where(xp.real(z) > 0, z, w),
    "concat": lambda xp, z, w: xp.concat([z, w]),
    "with real": lambda xp, z, w: xp.real(w) * z / xp.imag(w) + xp.abs(z) * w - xp.abs(w),
    "to complex": lambda xp, z, w: xp.astype(xp.real(z), z.dtype) * w,
}


@pytest.mark.parametrize("name", COMPLEX)
def test_complex_numbers_are_those_of_jax(name):
    """Re(g dy) = Re(x' dx), without a conjugate; and dy is that of differences."""
    f = COMPLEX[name]
    z, w, dz, dw = X + 1j * Y, Y - 0.4j * ROW, Y + 0.3j * X, X - 1j * ROW
    out, dy = jvp(lambda z, w: f(z.__array_namespace__(), z, w), (z, w), (dz, dw))
    up, down = (f(np, z + h * dz, w + h * dw) for h in (2.0**-16, -(2.0**-16)))
    np.testing.assert_allclose(dy, (up - down) * 2.0**15, rtol=2.0**-20, atol=2.0**-24)
    rng = np.random.default_rng(0)
    g = rng.standard_normal(out.shape) + (1j * rng.standard_normal(out.shape) if np.iscomplexobj(out) else 0)
    by_z, by_w = vjp(lambda z, w: f(z.__array_namespace__(), z, w), z, w)[1](np.asarray(g, dtype=out.dtype))
    pulled, size = np.sum(by_z * dz) + np.sum(by_w * dw), np.sum(np.abs(by_z * dz)) + np.sum(np.abs(by_w * dw))
    assert abs(np.sum(g * dy).real - pulled.real) <= differences.ROUNDING(np.float64, 24) * size


@pytest.mark.parametrize(
    ("f", "error", "message"),
    [
        (lambda xp, x: xp.linspace(x[0, 0], x[1, 1], 3), NotImplementedError, r"no rule for xp\.linspace of an array"),
        (lambda xp, x: xp.arange(x[0, 0], 3), NotImplementedError, r"no rule for xp\.arange of an array"),
        (lambda xp, x: xp.asarray([x[0, 0], x[1, 1]]), NotImplementedError, "use stack"),
        (lambda xp, x: xp.asarray([[x[0, 0]], [x[1, 1]]]), TypeError, "stack for a list of arrays"),
        (lambda xp, x: np.array(x, copy=True), TypeError, "is no NumPy array"),
        (lambda xp, x: xp.repeat(x, np.asarray([1, 2, 1]), axis=0), NotImplementedError, "an array of repeats"),
        (lambda xp, x: xp.take(x, np.asarray([0])), ValueError, r"take needs an axis, for an array of shape \(3, 4\)"),
        (lambda xp, x: xp.take(x, np.asarray([[0]]), axis=0), ValueError, "take needs indices of one axis"),
        (lambda xp, x: xp.diff(x, prepend=x), TypeError, "prepend cannot be differentiated"),
        (lambda xp, x: len(xp.sum(x)), TypeError, "has no length"),
        (lambda xp, x: list(xp.sum(x)), TypeError, "has no length"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_what_would_be_wrong_is_refused(f, error, message):
    with pytest.raises(error, match=message):
        vjp(lambda x: f(x.__array_namespace__(), x), X)


def test_rows_may_be_counted_from_the_end():
    found = grad(lambda x: of(of(x, "take", np.asarray([-1, 0, 2, -1]), axis=0), "sum"))(X)
    np.testing.assert_array_equal(found[:, 0], [1, 0, 3])
    np.testing.assert_array_equal(grad(lambda x: of(x[[-1, 0, 2, -1]], "sum"))(X), found)


def test_arrays_are_gone_through_row_by_row():
    np.testing.assert_array_equal(grad(lambda x: of(sum(row * row for row in x), "sum"))(X), 2 * X)
