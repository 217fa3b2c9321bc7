"""Derivatives as users ask for them: jax's conventions, levels inside levels, memory, and what is refused."""

import dataclasses
import gc
import tracemalloc
import weakref

import array_api_strict
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factorattn import softmax_attention
from factorattn.factor.factored import SVD, Permutation
from factorattn.interpret import gradient
from factorattn.interpret.counting import counting
from factorattn.interpret.gradient import (
    checkpoint,
    grad,
    jacobian,
    jvp,
    stop_gradient,
    value_and_grad,
    vjp,
    with_rule,
)
from factorattn.interpret.tree import tree_leaves, tree_map
from factorattn.testing import ROUNDING, differences

X = np.linspace(-1.0, 2.0, 6).reshape(2, 3)


def total(x):
    return x.__array_namespace__().sum(x)


# What comes out


def test_a_pullback_gives_a_cotangent_for_each_argument_and_may_be_called_again():
    out, pullback = vjp(lambda x, y: x * y, X, X + 1)
    np.testing.assert_array_equal(out, X * (X + 1))
    for scale in (1.0, 2.0):
        by_x, by_y = pullback(np.full_like(X, scale))
        np.testing.assert_array_equal(by_x, scale * (X + 1))
        np.testing.assert_array_equal(by_y, scale * X)
        assert type(by_x) is np.ndarray


def test_trees_go_in_and_out():
    @dataclasses.dataclass(frozen=True)
    class Pair:
        a: np.ndarray
        b: np.ndarray
        name: str = "pair"

    def f(parameters, pair):
        w, (v, _) = parameters["w"], parameters["rest"]
        return {"sum": w + v * pair.a, "both": [pair.b, None]}

    parameters, pair = {"w": X, "rest": [X + 1, None]}, Pair(X + 2, X + 3)
    out, pullback = vjp(f, parameters, pair)
    assert out["both"][1] is None
    by_parameters, by_pair = pullback(tree_map(np.ones_like, out))
    np.testing.assert_array_equal(by_parameters["rest"][0], pair.a)
    np.testing.assert_array_equal(by_pair.a, X + 1)
    np.testing.assert_array_equal(by_pair.b, np.ones_like(X))
    assert by_pair.name == "pair"


def test_a_factored_matrix_has_a_factored_gradient():
    rng = np.random.default_rng(0)
    f = SVD(rng.standard_normal((5, 2)), rng.standard_normal(2), rng.standard_normal((2, 4)))
    found = grad(lambda f, x: total((f @ x) ** 2))(f, rng.standard_normal((4, 3)))
    assert isinstance(found, SVD)
    differences.check_gradients(lambda f, x: f @ x, f, rng.standard_normal((4, 3)))


def test_a_factored_matrix_multiplies_from_the_right():
    rng = np.random.default_rng(0)
    f = SVD(rng.standard_normal((5, 2)), rng.standard_normal(2), rng.standard_normal((2, 4)))
    differences.check_gradients(lambda x, f: x @ f, rng.standard_normal((3, 5)), f)


def test_parts_of_a_result_keep_their_names():
    a = np.random.default_rng(0).standard_normal((4, 3))
    found = grad(lambda a: total(a.__array_namespace__().linalg.svd(a, full_matrices=False).S))(a)
    u, _, vt = np.linalg.svd(a, full_matrices=False)
    np.testing.assert_allclose(found, u @ vt, rtol=0, atol=ROUNDING(np.float64, 12))


def test_whole_numbers_have_no_gradient_and_go_in_as_arguments():
    def picked(table, index):
        xp = table.__array_namespace__()
        return xp.take(table, index, axis=0)

    out, pullback = vjp(picked, X, np.asarray([1, 1, 0]))
    by_table, by_index = pullback(np.ones_like(out))
    np.testing.assert_array_equal(by_table, [[1, 1, 1], [2, 2, 2]])
    assert by_index is None
    with pytest.raises(TypeError, match="argument 1 must have an array of floating dtype"):
        grad(lambda x, i: total(x), argnums=1)(X, np.asarray([1]))


def test_several_arguments_and_an_auxiliary_result():
    def f(x, y):
        return total(x * x * y), {"twice": 2 * x}

    (value, aux), (by_x, by_y) = value_and_grad(f, argnums=(0, -1), has_aux=True)(X, X + 1)
    assert value == np.sum(X * X * (X + 1))
    np.testing.assert_array_equal(aux["twice"], 2 * X)
    np.testing.assert_allclose(by_x, 2 * X * (X + 1))
    np.testing.assert_array_equal(by_y, X * X)
    found, aux = grad(f, has_aux=True)(X, X + 1)
    np.testing.assert_allclose(found, by_x)
    out, _, aux = vjp(f, X, X, has_aux=True)
    assert out == np.sum(X**3)
    assert type(aux["twice"]) is np.ndarray


def test_a_result_that_does_not_depend_on_it_has_zeros():
    np.testing.assert_array_equal(grad(lambda x, y: total(y))(X, X), np.zeros_like(X))
    out, tangent = jvp(lambda x, y: y, (X, X), (X, np.zeros_like(X)))
    np.testing.assert_array_equal(tangent, np.zeros_like(X))
    assert out is X


def test_a_jacobian_has_the_shape_of_the_output_then_that_of_the_argument():
    found = jacobian(lambda x, y: x[:, 0] * y, argnums=(0, 1))(X, X[:, 1])
    assert [x.shape for x in found] == [(2, 2, 3), (2, 2)]
    np.testing.assert_array_equal(found[1], np.diag(X[:, 0]))
    np.testing.assert_array_equal(jacobian(lambda x: x[:0, 0])(X), np.zeros((0, 2, 3)))


@given(st.integers(0, 2**32 - 1))
def test_forward_is_the_transpose_of_back(seed):
    rng = np.random.default_rng(seed)
    q, k, v, t, g = (rng.standard_normal((4, 3)) for _ in range(5))

    def f(q, k, v):
        return softmax_attention(q, k, v, causal=True, form="dense")

    out, tangent = jvp(f, (q, k, v), (t, v, q))
    by_q, by_k, by_v = vjp(f, q, k, v)[1](g)
    np.testing.assert_allclose(out, f(q, k, v), rtol=0, atol=ROUNDING(np.float64, 4))
    pushed, pulled = np.sum(tangent * g), np.sum(by_q * t) + np.sum(by_k * v) + np.sum(by_v * q)
    size = np.sum(np.abs(by_q * t)) + np.sum(np.abs(by_k * v)) + np.sum(np.abs(by_v * q))
    assert abs(pushed - pulled) <= ROUNDING(np.float64, 12) * size


# Levels


def test_derivatives_of_derivatives():
    x = np.asarray(0.7)
    f = lambda x: x.__array_namespace__().sin(x)  # noqa: E731
    slopes = [np.cos(x), -np.sin(x), -np.cos(x), np.sin(x)]
    for want in slopes:
        f = grad(f)
        np.testing.assert_allclose(f(x), want, rtol=ROUNDING(np.float64, 16))


def test_inner_and_outer_derivatives_are_not_confused():
    # d/dx x (d/dy x y) = d/dx x^2; taking the inner x for a constant would give x.
    x = np.asarray(3.0)
    assert grad(lambda x: x * grad(lambda y: x * y)(x))(x) == 6.0
    assert grad(lambda x: x * grad(lambda y: x + y)(x))(x) == 1.0
    assert jvp(lambda x: x * jvp(lambda y: x * y, (x,), (x * 0 + 1,))[1], (x,), (x * 0 + 1,))[1] == 6.0
    assert grad(lambda x: x * jvp(lambda y: x * y, (x,), (x * 0 + 1,))[1])(x) == 6.0
    assert jvp(lambda x: x * grad(lambda y: x * y)(x), (x,), (x * 0 + 1,))[1] == 6.0


def test_a_hessian_by_either_order():
    def f(x):
        xp = x.__array_namespace__()
        return xp.sum(xp.tanh(x @ x.mT) * x[:, :1])

    back = jacobian(grad(f))(X).reshape(6, 6)
    np.testing.assert_allclose(back, back.T, rtol=0, atol=ROUNDING(np.float64, 36) * np.max(np.abs(back)))
    forward = [jvp(grad(f), (X,), (e.reshape(2, 3),))[1].reshape(6) for e in np.eye(6)]
    np.testing.assert_allclose(back, forward, rtol=0, atol=ROUNDING(np.float64, 36) * np.max(np.abs(back)))


def test_gradients_can_be_counted():
    # Backward, a product costs twice as much as forward: each of its factors has one.
    xp = counting()
    x, y = xp.empty((20, 30)), xp.empty((30, 40))
    xp.tally.start()
    _, pullback = vjp(lambda x, y: x @ y, x, y)
    forward = xp.tally.flops
    by_x, by_y = pullback(xp.empty((20, 40)))
    assert (by_x.shape, by_y.shape) == (x.shape, y.shape)
    assert xp.tally.flops == 3 * forward == 3 * 2 * 20 * 30 * 40


@pytest.mark.parametrize("form", ["dense", "online"])
def test_gradients_of_attention_can_be_counted(form):
    xp = counting()
    q = xp.empty((2, 300, 8))
    xp.tally.start()
    out, pullback = vjp(lambda q, k, v: softmax_attention(q, k, v, form=form), q, q, q)
    forward = xp.tally.flops
    assert [x.shape for x in pullback(out)] == 3 * [q.shape]
    assert 2 * forward < xp.tally.flops < 5 * forward


# Memory


def test_the_record_is_let_go_of_as_the_sweep_passes():
    alive, seen = [], []

    @with_rule
    def watched(xp, x):
        y = Held(x)
        alive.append(weakref.ref(y))

        def pull(g, xp):
            gc.collect()
            seen.append(sum(ref() is not None for ref in alive))
            return [g * y.value]

        return x, pull

    class Held:
        def __init__(self, value):
            self.value = value

    def f(x):
        for _ in range(5):
            x = watched(x)
        return total(x)

    grad(f)(X)
    assert seen == [5, 4, 3, 2, 1]
    gc.collect()
    assert not any(ref() for ref in alive)


def peak(f, *args):
    f(*args)
    tracemalloc.start()
    try:
        f(*args)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_checkpoint_keeps_inputs_only():
    x = np.linspace(0, 1, 10000)

    def wave(x):
        for _ in range(20):
            x = x.__array_namespace__().sin(x)
        return x

    def chain(step):
        def f(x):
            for _ in range(20):
                x = step(x)
            return total(x)

        return grad(f)

    np.testing.assert_array_equal(chain(wave)(x), chain(checkpoint(wave))(x))
    assert peak(chain(wave), x) > 400 * x.nbytes  # one array a step, at least
    assert peak(chain(checkpoint(wave)), x) < 60 * x.nbytes  # 20 inputs, and one wave of 20 steps at a time


def test_a_checkpoint_of_trees_and_of_none_that_is_differentiated():
    @checkpoint
    def f(parameters, x):
        return parameters["w"] * x, x

    np.testing.assert_array_equal(f({"w": X}, X)[0], X * X)
    found = grad(lambda p, x: total(f(p, x)[0] * f(p, x)[1]))({"w": X}, X + 1)
    np.testing.assert_allclose(found["w"], (X + 1) ** 2)
    assert grad(grad(checkpoint(lambda x: x**3)))(np.asarray(2.0)) == 12.0
    with pytest.raises(TypeError, match="must be an argument of a function with a checkpoint"):
        grad(lambda x: total(checkpoint(lambda y: x * y)(x)))(X)


# What is refused


def test_what_has_no_rule_raises_and_names_it():
    with pytest.raises(NotImplementedError, match=r"gradient has no rule for xp\.nextafter"):
        grad(lambda x: total(x.__array_namespace__().nextafter(x, x)))(X)
    with pytest.raises(NotImplementedError, match=r"gradient has no rule for xp\.linalg\.eig"):
        grad(lambda x: total(x.__array_namespace__().linalg.eig(x)))(X)
    assert not hasattr(gradient.over_of(X), "nextafter")


def test_nothing_is_cut_off_silently():
    with pytest.raises(TypeError, match="cut x off"):
        grad(lambda x: total(x) * float(x[0, 0]))(X)
    with pytest.raises(TypeError, match="is no NumPy array"):
        grad(lambda x: total(x * np.asarray(x)))(X)
    with pytest.raises(TypeError, match="cannot be written to"):
        grad(lambda x: x.__setitem__(0, 1.0))(X)
    assert grad(lambda x: total(stop_gradient(x) * x))(np.asarray(3.0)) == 3.0
    assert float(grad(lambda x: x * float(stop_gradient(x)))(np.asarray(3.0))) == 3.0


def test_what_is_not_one_real_number_has_no_gradient():
    with pytest.raises(TypeError, match=r"of one real number, an array of shape \(\)"):
        grad(lambda x: x)(X)
    with pytest.raises(TypeError, match="of one real number"):
        grad(lambda x: x[0, 0] > 0)(X)
    with pytest.raises(TypeError, match=r"argument 0 must have an array of floating dtype, got 2\.0"):
        grad(lambda x: x)(2.0)
    with pytest.raises(ValueError, match="argnums must be positions of the 1 arguments, got 1"):
        grad(lambda x: x, argnums=1)(X)


def test_a_cotangent_and_a_tangent_must_fit():
    _, pullback = vjp(lambda x: x * x, X)
    with pytest.raises(
        ValueError, match=r"must be like its output, shape \(2, 3\) and dtype float64, got shape \(3,\)"
    ):
        pullback(np.ones(3))
    with pytest.raises(ValueError, match="dtype float32"):
        pullback(np.ones((2, 3), np.float32))
    with pytest.raises(ValueError, match="must be like its primal"):
        jvp(lambda x: x, (X,), (np.ones(3),))
    with pytest.raises(ValueError, match="tree must be dict of a, got dict of b"):
        vjp(lambda x: {"a": x}, X)[1]({"b": X})


def test_arrays_of_two_libraries_do_not_meet():
    with pytest.raises(TypeError, match="arrays of two libraries cannot meet"):
        grad(lambda x: total(x * array_api_strict.asarray(X)))(X)


# Entries that were left out


def test_what_a_where_leaves_out_stays_out():
    x = np.asarray([0.0, 4.0])

    def f(x):
        xp = x.__array_namespace__()
        return xp.sum(xp.where(x > 0, xp.sqrt(x), 0.0)) + xp.sum(xp.where(x > 0, x**0.75, 0.0))

    np.testing.assert_allclose(grad(f)(x), [0.0, 0.25 + 0.75 * 4**-0.25])


def test_equal_extremes_share():
    xp_max = lambda x: x.__array_namespace__().max(x)  # noqa: E731
    np.testing.assert_array_equal(grad(xp_max)(np.asarray([1.0, 3.0, 3.0])), [0.0, 0.5, 0.5])
    found = grad(lambda x: total(x.__array_namespace__().maximum(x, x * 0 + 1)))(np.asarray([0.0, 1.0, 2.0]))
    np.testing.assert_array_equal(found, [0.0, 0.5, 1.0])


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_gradients_have_the_dtype_of_their_argument(dtype):
    x = X.astype(dtype)
    found = grad(lambda x, y: total(x * y))(x, X)
    assert found.dtype == x.dtype
    assert jvp(lambda x: x * x, (x,), (x,))[1].dtype == x.dtype


def test_a_gradient_with_gaps_is_a_tree():
    p = Permutation(np.asarray([1, 0, 2]))
    found = grad(lambda w, p: total((p @ w) * w))(X.mT, p), vjp(lambda p: p @ X.mT, p)[1](np.ones((3, 2)))[0]
    assert tree_leaves(found[1]) == []
    assert tree_map(lambda x, g: g, p, found[1]).order is None


def test_leaves_come_in_order():
    assert [int(x) for x in tree_leaves({"b": np.asarray(1), "a": [np.asarray(2), None, "x", 3.0]})] == [1, 2]
    with pytest.raises(ValueError, match=r"tree\['a'\] must be list of 0, 1, got list of 0$"):
        tree_map(lambda x, y: x, {"a": [X, X]}, {"a": [X]})
