"""Derivatives as users ask for them: jax's conventions, levels inside levels, memory, and what is refused."""

import dataclasses
import gc
import tracemalloc
import weakref
from collections import OrderedDict, defaultdict
from concurrent.futures import ThreadPoolExecutor

import array_api_strict
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from libraries import LIBRARIES

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
    by_last, by_first = grad(lambda x, y, z: total(x * y * y * z * z * z), argnums=(-1, -3))(X, X + 1, X + 2)
    np.testing.assert_allclose(by_last, X * (X + 1) ** 2 * 3 * (X + 2) ** 2)
    np.testing.assert_allclose(by_first, (X + 1) ** 2 * (X + 2) ** 3)
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


def test_pullbacks_are_called_inside_of_other_derivatives():
    _, pullback = vjp(lambda x: x**3, X)
    want = 2 * X * 3 * X**2
    np.testing.assert_allclose(grad(lambda g: total(pullback(g)[0] * g))(X), want)
    np.testing.assert_allclose(jvp(lambda g: pullback(g)[0], (X,), (X,))[1], 3 * X**3, rtol=ROUNDING(np.float64, 8))


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(
    "inner",
    [
        lambda y, x: grad(lambda y: total(x * x * y))(y),
        lambda y, x: grad(lambda y: total(y * y * y))(x) / 3,
        lambda y, x: vjp(lambda y: x * x * y, y)[0],
        lambda y, x: vjp(lambda y: x * y, x)[1](y)[0] * x,
        lambda y, x: jvp(lambda y: x * y * x, (y,), (y,))[1],
        lambda y, x: jvp(lambda y: y * x, (y,), (x,))[1],
        lambda y, x: jacobian(lambda y: total(x * y * x))(y),
        lambda y, x: grad(lambda y: total(checkpoint(lambda z: z * x * x)(y)))(y),
        lambda y, x: grad(lambda z: total(checkpoint(lambda z: z * z * z)(z)))(x) / 3,
    ],
)
def test_every_derivative_inside_of_every_other(inner, library):
    # Each is x^2 where y is 1, by way of a derivative that sees the x of the one around it.
    xp = pytest.importorskip(library)
    x = xp.asarray(X)
    y = xp.ones_like(x)

    def f(x):
        return inner(stop_gradient(x) * 0 + y, x)

    want = {
        "grad": (lambda: grad(lambda x: total(f(x) * x))(x), 3 * X**2),
        "vjp": (lambda: vjp(f, x)[1](x)[0], 2 * X**2),
        "jvp": (lambda: jvp(f, (x,), (x,))[1], 2 * X**2),
        "jacobian": (lambda: xp.sum(jacobian(f)(x), axis=(0, 1)), 2 * X),
        "checkpoint": (lambda: grad(lambda x: total(checkpoint(f)(x)))(x), 2 * X),
        "twice": (lambda: grad(lambda x: total(grad(lambda x: total(f(x) * x))(x)))(x), 6 * X),
    }
    for name, (call, expected) in want.items():
        np.testing.assert_allclose(np.asarray(call()), expected, rtol=0, atol=ROUNDING(np.float64, 64), err_msg=name)


def test_what_is_constant_inside_still_meets_what_is_not():
    # The inner gradient does not depend on x; it must be an array of the namespace of x nevertheless.
    def f(x):
        two = grad(lambda y: total(2 * y))(x)
        out, tangent = jvp(lambda y: stop_gradient(y), (x,), (x,))
        return total(softmax_attention(two, x, x) + softmax_attention(out, tangent, x))

    differences.check_gradients(lambda x: softmax_attention(grad(lambda y: total(2 * y))(x), x, x), X)
    assert grad(f)(X).shape == X.shape
    np.testing.assert_allclose(vjp(lambda x: jvp(lambda y: 2 * y, (x,), (x * 0,))[0], X)[0], 2 * X)


def test_whole_numbers_come_out_bare_from_all_levels():
    def f(x):
        xp = x.__array_namespace__()
        found, aux = grad(lambda y: (total(y * y), xp.astype(2 * y, xp.int64)), has_aux=True)(x)
        return total(found), aux

    _, aux = grad(f, has_aux=True)(X)
    assert type(aux) is np.ndarray
    np.testing.assert_array_equal(aux, (2 * X).astype(int))


def test_results_that_are_arguments_or_caught_arrays():
    by_x, by_y = vjp(lambda x, y: (x, y, x, X), X, X)[1]((X, X, X, X))
    np.testing.assert_array_equal(by_x, 2 * X)
    np.testing.assert_array_equal(by_y, X)
    np.testing.assert_array_equal(grad(lambda x: total(vjp(lambda y: x, X)[0] * x))(X), 2 * X)
    both = grad(lambda x, y: total(x * y * y), argnums=(0, 1))(X, X)
    np.testing.assert_array_equal(both, [X * X, 2 * X * X])


def test_threads_do_not_meet():
    def run(i):
        return [jacobian(grad(lambda x: total(x**3) * i))(X[0]) for _ in range(10)]

    with ThreadPoolExecutor(4) as pool:
        for i, found in enumerate(pool.map(run, range(8))):
            np.testing.assert_allclose(found, [np.diag(6 * i * X[0])] * 10)


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


@pytest.mark.peers
def test_torch_records_what_is_computed_here():
    torch = pytest.importorskip("torch", reason="torch's record is compared")
    x = torch.tensor(X, requires_grad=True)
    found = grad(lambda x: total(x.__array_namespace__().exp(x) * x))(x)
    np.testing.assert_allclose(found.detach(), np.exp(X) * (X + 1))
    found.sum().backward()
    np.testing.assert_allclose(x.grad, np.exp(X) * (X + 2))


def test_rows_that_were_taken_are_added_up_with_an_addition_each():
    xp = counting()
    table, index = xp.empty((1000, 8)), xp.empty((50,), dtype=xp.int64)
    _, pullback = vjp(lambda table, index: table.__array_namespace__().take(table, index, axis=0), table, index)
    g = xp.empty((50, 8))
    xp.tally.start()
    assert pullback(g)[0].shape == table.shape
    assert xp.tally.flops == 50 * 8


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


def test_a_checkpoint_sees_what_is_differentiated_further_out():
    def f(y):
        return total(grad(lambda x: total(checkpoint(lambda a: a * a * y)(x)))(X))

    np.testing.assert_allclose(grad(f)(X), 2 * X)


def test_a_checkpoint_takes_names_and_gives_trees():
    @checkpoint
    def f(x, *, scale, twice=False):
        xp = x.__array_namespace__()
        return {"out": [x * x * scale, None], "top": xp.argmax(x, axis=1), "twice": twice}

    def loss(x, scale):
        found = f(x, scale=scale, twice=True)
        assert found["twice"] is True
        assert found["out"][1] is None
        assert found["top"].shape == (2,)
        return total(found["out"][0])

    by_x, by_scale = grad(loss, argnums=(0, 1))(X, np.asarray(3.0))
    np.testing.assert_allclose(by_x, 6 * X)
    np.testing.assert_allclose(by_scale, np.sum(X * X))


def test_a_checkpoint_lets_go_of_what_it_computed_again():
    def wave(x):
        for _ in range(20):
            x = x.__array_namespace__().sin(x)
        return x

    x = np.linspace(0, 1, 10000)
    alive = []

    @with_rule
    def watched(xp, x):
        held = Held(x)
        alive.append(weakref.ref(held))

        def pull(g, xp):
            seen.append(sum(ref() is not None for ref in alive))
            return [g * held.value]

        return x, pull

    class Held:
        def __init__(self, value):
            self.value = value

    seen = []

    @checkpoint
    def f(x):
        for _ in range(4):
            x = watched(wave(x))
        return x

    grad(lambda x: total(f(x)))(x)
    assert seen == [4, 3, 2, 1]


def test_nothing_waits_for_the_garbage_collector():
    ways = [
        lambda f, x: grad(f)(x),
        lambda f, x: vjp(f, x)[1](np.asarray(1.0)),
        lambda f, x: jvp(f, (x,), (x,)),
        lambda f, x: jacobian(f)(x),
        lambda f, x: grad(checkpoint(f))(x),
        lambda f, x: grad(lambda x: total(grad(f)(x)))(x),
    ]
    made = []

    class Held:
        def __init__(self, value):
            self.value = value
            made.append(weakref.ref(self))

    @with_rule
    def square(xp, x):
        held = Held(x)
        return x * x, lambda g, xp: [2 * g * held.value]

    def f(x):
        y = x * 1.0
        made.append(weakref.ref(y))
        return total(square(y))

    for way in ways:
        made.clear()
        gc.collect()
        gc.disable()
        try:
            way(f, np.ones(3))
            assert len(made) >= 2
            assert not any(ref() is not None for ref in made)
        finally:
            gc.enable()


def test_a_rule_of_ones_own_is_a_function_of_plain_arrays_too():
    square = with_rule(lambda xp, x, scale: (scale * x * x, lambda g, xp: [2 * scale * g * x, None]))
    np.testing.assert_array_equal(square(X, 3), 3 * X * X)
    np.testing.assert_array_equal(grad(lambda x: total(square(x, 3)))(X), 6 * X)


def test_arguments_by_name_are_constant():
    def f(x, *, index, scale=1.0):
        xp = x.__array_namespace__()
        return scale * xp.sum(xp.take(x, index, axis=0)), index

    index = np.asarray([1, 1])
    want = [[0, 0, 0], [4, 4, 4]]
    np.testing.assert_array_equal(grad(f, has_aux=True)(X, index=index, scale=2.0)[0], want)
    (_, aux), found = value_and_grad(f, [0], has_aux=True)(X, index=index, scale=2.0)
    assert type(aux) is np.ndarray
    assert isinstance(found, tuple)
    np.testing.assert_array_equal(found[0], want)
    found, aux = jacobian(f, has_aux=True)(X, index=index, scale=np.asarray(2.0))
    np.testing.assert_array_equal(found, want)
    out, tangent, aux = jvp(lambda x: f(x, index=index), (X,), (X,), has_aux=True)
    assert out == tangent == np.sum(2 * X[1])
    assert aux is index


def test_trees_keep_their_types():
    tree = OrderedDict(b=X, a=defaultdict(list, c=X), dtype=np.float32)
    found = grad(lambda p: total(p["b"] * p["a"]["c"]))(tree)
    assert (type(found), type(found["a"])) == (OrderedDict, defaultdict)
    assert found["a"].default_factory is list
    assert list(found) == ["b", "a", "dtype"]
    np.testing.assert_array_equal(found["b"], X)


def test_what_is_no_jacobian_or_pair_is_refused():
    with pytest.raises(TypeError, match=r"a jacobian is that of one array of floating dtype, got \{'a'"):
        jacobian(lambda x: {"a": x})(X)
    with pytest.raises(TypeError, match="a jacobian is that of one array of floating dtype"):
        jacobian(lambda x: x.__array_namespace__().argmax(x))(X)
    with pytest.raises(TypeError, match="a complex result has no jacobian by real arguments"):
        jacobian(lambda x: x * 1j)(X)
    np.testing.assert_array_equal(jacobian(lambda z: z * 1j)(X[0] + 0j), 1j * np.eye(3))
    with pytest.raises(TypeError, match=r"argument 0 must have an array of floating dtype, got 2\.0"):
        jacobian(lambda x: x)(2.0)
    with pytest.raises(TypeError, match="with has_aux, a function must return a pair, got Array"):
        grad(total, has_aux=True)(X)
    with pytest.raises(TypeError, match="with has_aux, a function must return a pair, got Array"):
        jvp(total, (X,), (X,), has_aux=True)
    for argnums in ((0, 0), (0, -2)):
        with pytest.raises(ValueError, match="argnums must name each argument once"):
            grad(lambda x, y: total(x * y), argnums=argnums)(X, X)


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
    with pytest.raises(ValueError, match=r"must be like its output, .* got 1\.0"):
        pullback(1.0)
    with pytest.raises(ValueError, match=r"must be like its output, .* got None"):
        pullback(None)
    with pytest.raises(ValueError, match="must be like its primal"):
        jvp(lambda x: x, (X,), (np.ones(3),))
    with pytest.raises(TypeError, match=r"tangents must be a tuple, with one member for each argument, got \(\)"):
        jvp(lambda x: x, (X,), ())
    with pytest.raises(TypeError, match="primals must be a tuple"):
        jvp(lambda x: x, X, X)
    np.testing.assert_array_equal(vjp(total, X)[1](2.0)[0], np.full_like(X, 2))  # a number, where the shape is ()
    assert jvp(lambda x: x * x, (np.asarray(3.0),), (1.0,)) == (9, 6)
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
