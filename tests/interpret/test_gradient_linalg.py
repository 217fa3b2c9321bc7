"""Derivatives of linear algebra: against differences on all shapes, against torch, at ties, and on every library."""

import importlib
import math

import array_api_compat
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from libraries import LIBRARIES
from oracles import seeds

from factorattn.interpret.counting import counting
from factorattn.interpret.gradient import grad, jacobian, jvp, vjp
from factorattn.interpret.gradient_array import Array
from factorattn.interpret.gradient_linalg import LINALG
from factorattn.testing import ROUNDING, differences

sides = st.integers(1, 4)
batches = st.sampled_from([(), (2,), (1, 2)])
NORMS = ("fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf)


def turned(rng, n, k, batch):
    """Orthonormal columns (..., n, k)."""
    return np.linalg.qr(rng.standard_normal((*batch, n, n)))[0][..., :k]


def apart(seed, p, q, batch=(), *, values=None):
    """A matrix whose singular values are 1, 2, ..., or those given."""
    rng, k = np.random.default_rng(seed), min(p, q)
    s = np.arange(k, 0, -1.0) if values is None else np.asarray(values)
    return (turned(rng, p, k, batch) * s) @ turned(rng, q, k, batch).mT


def symmetric(seed, n, batch=(), *, values=None):
    """A symmetric matrix of eigenvalues 1, 2, ..., or those given."""
    v = turned(np.random.default_rng(seed), n, n, batch)
    return (v * (np.arange(1.0, n + 1) if values is None else np.asarray(values))) @ v.mT


def steady(seed, p, q, batch=()):
    """Near the identity, so that no leading block is near a singular one."""
    x = np.random.default_rng(seed).standard_normal((*batch, p, q))
    return np.eye(p, q) + 0.2 * x / max(p, q)


TALL, WIDE, SQUARE, MANY = apart(0, 4, 3), apart(1, 3, 4), steady(2, 3, 3), steady(3, 2, 2, (2,))
RIGHT, VECTOR = np.random.default_rng(4).standard_normal((3, 2)), np.asarray([0.5, -1.0, 2.0])


def of_hermitian(f):
    """A function of symmetric matrices, for matrices that differences make unsymmetric."""
    return lambda xp, x: f(xp, 0.5 * (x + x.mT))


def every_factor(factors):
    """Squares of factors and their product: what signs of vectors leave as it is."""
    left, values, right = factors
    return left * left, values, right * right, (left * values[..., None, :]) @ right


def of_svd(xp, x):
    u, s, vt = xp.linalg.svd(x, full_matrices=False)
    return every_factor((u, s, vt))


def of_full_svd(xp, x):
    """Projections onto the spaces that are left over, which have no vectors of their own."""
    u, s, vt = xp.linalg.svd(x)
    k = s.shape[-1]
    left, right = u[..., :, k:], vt[..., k:, :]
    return *every_factor((u[..., :, :k], s, vt[..., :k, :])), left @ left.mT, right.mT @ right


def of_qr(xp, x):
    """With a positive diagonal, which no step of a difference can turn over."""
    q, r = xp.linalg.qr(x)
    signs = xp.sign(xp.sum(r[..., :, : r.shape[-2]] * xp.eye(r.shape[-2]), axis=-1))
    return q * signs[..., None, :], signs[..., :, None] * r


def of_eigh(xp, x):
    w, v = xp.linalg.eigh(x)
    return w, v * v, (v * xp.exp(w)[..., None, :]) @ v.mT


# For each function: calls of it, as f(xp, *arrays), at arrays where it is smooth.
CALLS = {
    "svd": [(f, x) for f in (of_svd, of_full_svd) for x in (TALL, WIDE, MANY)],
    "svdvals": [(lambda xp, x: xp.linalg.svdvals(x), x) for x in (TALL, WIDE)],
    "eigh": [(of_hermitian(of_eigh), symmetric(5, 3)), (of_hermitian(of_eigh), symmetric(5, 2, (2,)))],
    "eigvalsh": [(of_hermitian(lambda xp, x: xp.linalg.eigvalsh(x)), symmetric(6, 3))],
    "qr": [(of_qr, x) for x in (TALL, WIDE, MANY)],
    "cholesky": [
        (of_hermitian(lambda xp, x: xp.linalg.cholesky(x)), symmetric(7, 3)),
        (of_hermitian(lambda xp, x: xp.linalg.cholesky(x, upper=True)), symmetric(7, 2, (2,))),
    ],
    "solve": [
        (lambda xp, a, b: xp.linalg.solve(a, b), SQUARE, RIGHT),
        (lambda xp, a, b: xp.linalg.solve(a, b), SQUARE, VECTOR),
        (lambda xp, a, b: xp.linalg.solve(a, b), MANY, RIGHT[:2, :]),
        (lambda xp, a, b: xp.linalg.solve(a, b), MANY, VECTOR[:2]),
        (lambda xp, a, b: xp.linalg.solve(a, b), SQUARE, np.stack([RIGHT, RIGHT + 1])),
    ],
    "inv": [(lambda xp, x: xp.linalg.inv(x), x) for x in (SQUARE, MANY)],
    "pinv": [
        *((lambda xp, x: xp.linalg.pinv(x), x) for x in (TALL, WIDE, MANY)),
        *((lambda xp, x: xp.linalg.pinv(x, rtol=0.5), x) for x in (TALL, WIDE)),  # the last of 3, 2, 1 is cut off
    ],
    "det": [(lambda xp, x: xp.linalg.det(x), x) for x in (SQUARE, MANY, -SQUARE)],
    "slogdet": [(lambda xp, x: tuple(xp.linalg.slogdet(x)), x) for x in (SQUARE, MANY, -SQUARE)],
    "matrix_power": [(lambda xp, x, n=n: xp.linalg.matrix_power(x, n), MANY) for n in (-3, -1, 0, 1, 2, 5)],
    "matrix_rank": [(lambda xp, x: x * xp.astype(xp.linalg.matrix_rank(x), xp.float64), TALL)],
    "matrix_norm": [
        *((lambda xp, x, ord=ord: xp.linalg.matrix_norm(x, ord=ord), TALL) for ord in NORMS),
        *((lambda xp, x, ord=ord: xp.linalg.matrix_norm(x, ord=ord, keepdims=True), MANY) for ord in NORMS),
    ],
    "vector_norm": [
        *((lambda xp, x, ord=ord: xp.linalg.vector_norm(x, axis=-1, ord=ord), WIDE) for ord in (2, 1, 3, 2.5, -1)),
        *((lambda xp, x, ord=ord: xp.linalg.vector_norm(x, ord=ord), TALL) for ord in (2, math.inf, -math.inf)),
        (lambda xp, x: xp.linalg.vector_norm(x, axis=(0, 2), keepdims=True), MANY),
        (lambda xp, x: x * xp.linalg.vector_norm(x, axis=0, ord=0), TALL),
    ],
    "trace": [(lambda xp, x, k=k: xp.linalg.trace(x, offset=k), x) for k in (-1, 0, 1, 2) for x in (TALL, WIDE)],
    "diagonal": [(lambda xp, x, k=k: xp.linalg.diagonal(x, offset=k), x) for k in (-2, 0, 1) for x in (TALL, WIDE)],
    "outer": [(lambda xp, x, y: xp.linalg.outer(x, y), VECTOR, VECTOR[:2])],
    "cross": [
        (lambda xp, x, y: xp.linalg.cross(x, y), RIGHT.T.copy(), VECTOR[None, :]),
        (lambda xp, x, y: xp.linalg.cross(x, y, axis=-2), RIGHT, RIGHT + VECTOR[:, None]),
    ],
    "matmul": [(lambda xp, x, y: xp.linalg.matmul(x, y), TALL, WIDE)],
    "tensordot": [(lambda xp, x, y: xp.linalg.tensordot(x, y, axes=1), TALL, WIDE)],
    "vecdot": [(lambda xp, x, y: xp.linalg.vecdot(x, y, axis=-2), TALL, WIDE.T.copy())],
    "matrix_transpose": [(lambda xp, x: xp.linalg.matrix_transpose(x), TALL)],
}
every_call = pytest.mark.parametrize(
    ("f", "arrays"),
    [
        pytest.param(f, arrays, id=f"{name}-{i}")
        for name, cases in CALLS.items()
        for i, (f, *arrays) in enumerate(cases)
    ],
)


def called(f):
    """The function of arrays that are differentiated, and of plain ones."""

    def on(*xs):
        return f(xs[0].__array_namespace__(), *xs) if isinstance(xs[0], Array) else vjp(on, *xs)[0]

    return on


def cubed(xp, out):
    """One number of all that comes out, with second derivatives."""
    return sum(xp.sum(part**3) for part in (out if isinstance(out, tuple) else (out,)))


def test_every_rule_is_tried():
    assert sorted(CALLS) == sorted(LINALG)


@every_call
def test_a_rule_computes_what_the_function_does(f, arrays):
    xp = array_api_compat.array_namespace(*arrays)
    got, want = (x if isinstance(x, tuple) else (x,) for x in (vjp(called(f), *arrays)[0], f(xp, *arrays)))
    for x, y in zip(got, want, strict=True):
        np.testing.assert_allclose(x, y, rtol=0, atol=ROUNDING(np.float64, 16) * max(np.max(np.abs(y)), 1))


@every_call
def test_a_rule_agrees_with_differences(f, arrays):
    differences.check_gradients(called(f), *arrays)


@every_call
def test_a_rule_is_differentiated_again(f, arrays):
    def slope(*xs):
        numbers = tuple(range(len(xs)))
        return grad(lambda *xs: cubed(xs[0].__array_namespace__(), f(xs[0].__array_namespace__(), *xs)), numbers)(*xs)

    differences.check_gradients(slope, *arrays)


@pytest.mark.parametrize("library", LIBRARIES[1:])
@every_call
def test_a_rule_is_the_same_on_every_library(f, arrays, library):
    xp = pytest.importorskip(library)

    def pulled(asarray):
        return grad(lambda *xs: cubed(xs[0].__array_namespace__(), called(f)(*xs)), tuple(range(len(arrays))))(
            *map(asarray, arrays)
        )

    for got, want in zip(pulled(xp.asarray), pulled(np.asarray), strict=True):
        assert str(got.dtype).endswith(str(want.dtype))
        scale = max(np.max(np.abs(want)), 1)
        assert np.max(np.abs(np.asarray(got) - want)) <= scale * ROUNDING(np.float64, 10 * want.size)


@settings(deadline=None, max_examples=40)
@given(sides, sides, batches, seeds)
def test_decompositions_of_any_shape(p, q, batch, seed):
    a = apart(seed, p, q, batch)
    for f in (of_svd, of_full_svd, *(f for name in ("pinv", "svdvals") for f, *_ in CALLS[name][:1])):
        differences.check_gradients(called(f), a, seed=seed)
    differences.check_gradients(called(of_qr), steady(seed, p, q, batch), seed=seed)


@settings(deadline=None, max_examples=40)
@given(sides, sides, batches, seeds)
def test_square_matrices_of_any_size(n, r, batch, seed):
    rng = np.random.default_rng(seed)
    for name in ("inv", "det", "slogdet"):
        differences.check_gradients(called(CALLS[name][0][0]), steady(seed, n, n, batch), seed=seed)
    for name in ("eigh", "eigvalsh", "cholesky"):
        differences.check_gradients(called(CALLS[name][0][0]), symmetric(seed, n, batch), seed=seed)
    solve = called(CALLS["solve"][0][0])
    differences.check_gradients(solve, steady(seed, n, n, batch), rng.standard_normal((n, r)), seed=seed)
    differences.check_gradients(solve, steady(seed, n, n), rng.standard_normal((*batch, n, r)), seed=seed)


@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 4), (1, 1), (1, 3), (2, 3, 2)])
def test_complex_matrices(shape):
    """As real functions of real and imaginary parts, that do not depend on phases of vectors."""
    a, b = np.random.default_rng(0).standard_normal((2, *shape))
    size = min(shape[-2:])

    def parts(xp, *xs):
        return [part(x) for x in xs for part in (xp.real, xp.imag)]

    def any_shape(a, b):
        xp = a.__array_namespace__()
        z = a + 1j * b
        u, s, vt = xp.linalg.svd(z, full_matrices=False)
        q, r = xp.linalg.qr(z)
        return (
            xp.abs(u), s, xp.linalg.svdvals(z), xp.linalg.vector_norm(z, axis=-1),
            *parts(xp, (u * xp.exp(-s)[..., None, :]) @ vt, q, r, xp.linalg.pinv(z), xp.linalg.pinv(z, rtol=0.5)),
            *(xp.linalg.matrix_norm(z, ord=ord) for ord in NORMS),
            *(xp.linalg.vector_norm(z, ord=ord) for ord in (1, 3, math.inf)),
        )  # fmt: skip

    def square(a, b):
        xp = a.__array_namespace__()
        z = a[..., :size, :size] + 1j * b[..., :size, :size]
        h = xp.conj(z).mT @ z + 0.5 * xp.eye(size, dtype=z.dtype)
        w, v = xp.linalg.eigh(h)
        sign, log = xp.linalg.slogdet(h @ z)
        exact = (xp.linalg.inv(h + z), xp.linalg.solve(h + z, z), xp.linalg.det(z), sign, xp.linalg.matrix_power(z, 3))
        lower, upper = xp.linalg.cholesky(h), xp.linalg.cholesky(h, upper=True)
        return (
            w, xp.abs(v), xp.linalg.eigvalsh(h), log,
            *parts(xp, (v * xp.exp(-w)[..., None, :]) @ xp.conj(v).mT, lower, upper, *exact),
        )  # fmt: skip

    for f in (any_shape, square):
        differences.check_gradients(lambda a, b, f=f: f(a, b) if isinstance(a, Array) else vjp(f, a, b)[0], a, b)


TIED = {
    "exact": np.diag([2.0, 2.0, 1.0]),
    "rounding": symmetric(9, 3, values=[2.0, 2.0, 1.0]),
}


@pytest.mark.parametrize("a", TIED.values(), ids=TIED)
def test_equal_singular_values_have_derivatives_and_their_vectors_none(a):
    def values(a):
        return a.__array_namespace__().sum(a.__array_namespace__().linalg.svd(a)[1] ** 3)

    def again(a):
        u, s, vt = a.__array_namespace__().linalg.svd(a)
        return a.__array_namespace__().sum((u * s[..., None, :]) @ vt * VECTOR)

    def others(a):
        u, s, _ = a.__array_namespace__().linalg.svd(a)
        return u[..., :, 2:] @ u[..., :, 2:].mT, s[..., 2:]

    differences.check_gradients(called(lambda xp, x: values(x)), a)
    np.testing.assert_allclose(grad(values)(a), 3 * a @ a, rtol=0, atol=ROUNDING(np.float64, 9) * 24)
    assert np.all(np.isnan(grad(again)(a)))  # it is the sum of a times numbers, and has a derivative: told as unknown
    assert np.all(np.isnan(jvp(again, (a,), (np.ones((3, 3)),))[1]))
    _, pullback = vjp(others, a)  # a third vector turns against the two
    assert not np.any(np.isnan(pullback((np.outer(VECTOR, VECTOR), np.ones(1)))[0]))


@pytest.mark.parametrize("a", TIED.values(), ids=TIED)
def test_equal_eigenvalues_have_derivatives_and_their_vectors_none(a):
    def values(a):
        return a.__array_namespace__().sum(a.__array_namespace__().linalg.eigh(a)[0] ** 2)

    def vectors(a):
        return a.__array_namespace__().sum(a.__array_namespace__().linalg.eigh(a)[1] @ VECTOR)

    np.testing.assert_allclose(grad(values)(a), 2 * a, rtol=0, atol=ROUNDING(np.float64, 9) * 4)
    assert np.all(np.isnan(grad(vectors)(a)))
    _, (w, v) = jvp(lambda a: tuple(a.__array_namespace__().linalg.eigh(a)), (a,), (np.outer(VECTOR, VECTOR),))
    assert np.any(np.isnan(v[:, 1:]))  # of 1, 2, 2
    assert not np.any(np.isnan(v[:, 0]))
    np.testing.assert_allclose(np.sum(w), VECTOR @ VECTOR, rtol=ROUNDING(np.float64, 9))


def test_triplets_that_are_left_out_may_be_equal_or_zero():
    a = np.zeros((4, 5))
    a[:2, :2] = apart(10, 2, 2)

    def leading(a):
        u, s, vt = a.__array_namespace__().linalg.svd(a, full_matrices=False)
        return (u[..., :, :2] * s[..., None, :2]) @ vt[..., :2, :]

    g = np.random.default_rng(0).standard_normal(a.shape)
    found = vjp(leading, a)[1](g)[0]
    want = g.copy()
    want[2:, 2:] = 0  # the nearest matrix of rank 2 has no part in what is orthogonal to both
    np.testing.assert_allclose(found, want, rtol=0, atol=ROUNDING(np.float64, 20))
    np.testing.assert_allclose(jvp(leading, (a,), (g,))[1], want, rtol=0, atol=ROUNDING(np.float64, 20))


def test_a_column_of_rounding_has_no_direction():
    # The second is twice the first.
    a = np.asarray([[1.0, 2.0, 0.5], [0.3, 0.6, 1.0], [0.7, 1.4, -1.0], [0.1, 0.2, 0.3]])
    assert np.any(np.isnan(grad(lambda a: a.__array_namespace__().linalg.qr(a)[0][0, 1])(a)))
    assert np.any(np.isnan(grad(lambda a: a.__array_namespace__().linalg.qr(a * 0)[0][0, 1])(a)))


def test_norms_have_derivative_zero_at_zero_and_share_it_among_the_largest():
    zero = np.zeros((2, 3))
    for ord in (1, 2, 3, math.inf):
        found = grad(lambda x, ord=ord: x.__array_namespace__().linalg.vector_norm(x, ord=ord))(zero)
        np.testing.assert_array_equal(found, zero)
    x = np.asarray([2.0, -2.0, 1.0])
    shared = grad(lambda x: x.__array_namespace__().linalg.vector_norm(x, ord=math.inf))(x)
    np.testing.assert_array_equal(shared, [0.5, -0.5, 0.0])
    spectral = grad(lambda x: x.__array_namespace__().linalg.matrix_norm(x, ord=2))(np.diag([2.0, 2.0, 1.0]))
    np.testing.assert_allclose(spectral, np.diag([0.5, 0.5, 0.0]), rtol=0, atol=ROUNDING(np.float64, 9))


def test_a_masked_nan_stays_out_of_a_norm():
    x = np.asarray([[np.nan, 1.0], [3.0, 4.0]])

    def total(x):
        xp = x.__array_namespace__()
        norms = xp.linalg.vector_norm(x, axis=-1)
        return xp.sum(xp.where(xp.isnan(norms), 0, norms))

    np.testing.assert_allclose(grad(total)(x), [[0, 0], [0.6, 0.8]], rtol=ROUNDING(np.float64, 2))


def test_a_determinant_is_the_product_of_the_others():
    a = np.diag([2.0, 3.0, 5.0])
    np.testing.assert_allclose(grad(lambda x: x.__array_namespace__().linalg.det(x))(a), np.diag([15.0, 10.0, 6.0]))
    hessian = jacobian(grad(lambda x: x.__array_namespace__().linalg.det(x)))(np.eye(2))  # x_00 x_11 - x_01 x_10
    want = np.zeros((2, 2, 2, 2))
    want[0, 0, 1, 1] = want[1, 1, 0, 0] = 1
    want[0, 1, 1, 0] = want[1, 0, 0, 1] = -1
    np.testing.assert_array_equal(hessian, want)


def test_empty_matrices():
    for shape in ((0, 3), (3, 0), (0, 0), (2, 0, 3)):
        a = np.zeros(shape)
        for f in (of_svd, of_qr, lambda xp, x: xp.linalg.matrix_norm(x)):
            out, pullback = vjp(called(f), a)
            cotangent = tuple(np.ones_like(x) for x in out) if isinstance(out, tuple) else np.ones_like(out)
            assert pullback(cotangent)[0].shape == shape


def test_single_precision_stays_single():
    a = TALL.astype(np.float32)
    for name in ("svd", "qr", "pinv", "matrix_norm", "vector_norm", "diagonal"):
        f = CALLS[name][0][0]
        assert grad(lambda x, f=f: cubed(x.__array_namespace__(), f(x.__array_namespace__(), x)))(a).dtype == np.float32


def test_what_has_no_rule_is_refused():
    with pytest.raises(NotImplementedError, match=r"no rule for linalg\.qr with mode='complete'"):
        grad(lambda x: x.__array_namespace__().linalg.qr(x, mode="complete")[1][0, 0])(TALL)
    with pytest.raises(NotImplementedError, match=r"no rule for xp\.linalg\.eig"):
        grad(lambda x: x.__array_namespace__().linalg.eig(x)[0][0])(SQUARE)
    with pytest.raises(ValueError, match="ord must be one of 'fro', 'nuc', 2"):
        grad(lambda x: x.__array_namespace__().linalg.matrix_norm(x, ord=3))(TALL)


def test_what_the_gradient_of_a_system_of_equations_costs():
    # One more system for both, and one product with its sign.
    xp = counting()
    a, b = xp.empty((8, 8)), xp.empty((8, 2))
    xp.tally.start()
    _, pullback = vjp(lambda a, b: a.__array_namespace__().linalg.solve(a, b), a, b)
    by_a, by_b = pullback(xp.empty((8, 2)))
    assert (by_a.shape, by_b.shape) == (a.shape, b.shape)
    system = 2 * 8**3 / 3 + 2 * 8**2 * 2
    assert xp.tally.flops == math.ceil(2 * system) + 2 * 8 * 8 * 2 + 8 * 8


@pytest.mark.parametrize("name", ["svd", "qr", "eigh", "cholesky", "inv", "pinv", "vector_norm"])
def test_gradients_can_be_counted(name):
    f, *arrays = CALLS[name][0]
    xp = counting()
    found = [xp.empty(x.shape) for x in arrays]
    xp.tally.start()
    out, pullback = vjp(lambda *xs: cubed(xs[0].__array_namespace__(), f(xs[0].__array_namespace__(), *xs)), *found)
    forward = xp.tally.flops
    assert [x.shape for x in pullback(out)] == [x.shape for x in arrays]
    assert forward < xp.tally.flops


# torch's derivatives leave out the vectors that only the full decomposition has, and what a large `rtol` cuts off.
ONLY = {"svd": 3, "pinv": 3}


@pytest.mark.peers
@pytest.mark.parametrize("name", ["svd", "qr", "eigh", "cholesky", "solve", "pinv", "slogdet", "inv", "matrix_norm"])
def test_torch_finds_the_same(name):
    torch = pytest.importorskip("torch", reason="compares with torch's automatic differentiation")
    for f, *arrays in CALLS[name][: ONLY.get(name)]:
        theirs = [torch.tensor(x, requires_grad=True) for x in arrays]
        xp = importlib.import_module("array_api_compat.torch")
        cubed(xp, f(xp, *theirs)).backward()
        found = grad(lambda *xs, f=f: cubed(xs[0].__array_namespace__(), called(f)(*xs)), tuple(range(len(arrays))))(
            *arrays
        )
        for got, x in zip(found, theirs, strict=True):
            want = x.grad.numpy()
            assert np.max(np.abs(got - want)) <= max(np.max(np.abs(want)), 1) * ROUNDING(np.float64, 10 * want.size)
