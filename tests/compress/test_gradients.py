"""Derivatives of adapters by what they train, by frozen weights and by their inputs; and of weighted factorizations."""

import numpy as np
import pytest

from factorattn.compress import ADAPTERS, WEIGHTED, lora
from factorattn.compress.adapters.adalora import importance, orthogonality, sensitivity
from factorattn.factor.factored import times
from factorattn.interpret.gradient import grad, value_and_grad
from factorattn.interpret.tree import tree_leaves
from factorattn.testing import ROUNDING, differences

FROM_W = ("milora", "olora", "pissa")  # these draw nothing
OPTIONS = {"dora": [{}, {"of": "rows"}]}
RNG = np.random.default_rng(0)
X = RNG.standard_normal((4, 3))
INPUTS = RNG.standard_normal((9, 4))


def weights(p=6, q=4):
    """Singular values 1, 2, ...: their vectors turn slowly."""
    k = min(p, q)
    left, right = (np.linalg.qr(RNG.standard_normal((n, n)))[0][:, :k] for n in (p, q))
    return (left * np.arange(k, 0, -1.0)) @ right.T


W = weights()


def made(name, w, **options):
    return ADAPTERS[name](w, 2, **options) if name in FROM_W else ADAPTERS[name](w, 2, rng=3, **options)


def trained(name, **options):
    """An adapter after training: none of its arrays is zero."""
    adapter, rng = made(name, W, **options), np.random.default_rng(1)
    return adapter.trained(**{n: rng.standard_normal(x.shape) for n, x in adapter.trainable.items()})


every_adapter = pytest.mark.parametrize(
    ("name", "options"), [(name, options) for name in sorted(ADAPTERS) for options in OPTIONS.get(name, [{}])]
)


@every_adapter
def test_all_that_an_adapter_does(name, options):
    """By all of its arrays, frozen ones too, and by what it is multiplied with."""

    def used(f, x, y):
        rows = f.rows(f.__array_namespace__().asarray(np.asarray([5, 0, 5])))
        return f @ x, f.matvec(x[:, 0]), times(y, f), f.merge(), f.mT.to_dense(), rows, f.unmerge(f.merge())

    differences.check_gradients(used, trained(name, **options), X, X.T @ W.T)


@every_adapter
def test_an_adapter_is_made_of_weights_that_are_trained_themselves(name, options):
    def parts(w):
        adapter = made(name, w, **options)
        return adapter.merge(), [x * x for x in tree_leaves(adapter)]  # squares: vectors keep no sign

    differences.check_gradients(parts, W)


@every_adapter
def test_trained_arrays_alone(name, options):
    """What a training loop asks for: gradients of a loss by the trained arrays, and by nothing else."""
    adapter = trained(name, **options)

    def loss(arrays, adapter, x):
        out = adapter.trained(**arrays) @ x
        return out.__array_namespace__().sum(out * out)

    value, found = value_and_grad(loss)(adapter.trainable, adapter, X)
    assert sorted(found) == sorted(adapter.trains)
    assert float(value) == pytest.approx(float(loss(adapter.trainable, adapter, X)), rel=ROUNDING(np.float64, 100))
    step = 1e-3 / max(float(np.max(np.abs(g))) for g in found.values())
    lower = {n: x - step * found[n] for n, x in adapter.trainable.items()}
    assert loss(lower, adapter, X) < value


def test_the_gradients_of_lora_are_products():
    # F = W + s B A, so that B' = s F' A^T and A' = s B^T F', with F' = g x^T. Of B = 0, A has no gradient yet.
    adapter, g = trained("lora"), RNG.standard_normal((6, 3))

    def loss(adapter, x, g):
        return adapter.__array_namespace__().sum((adapter @ x) * g)

    found = grad(loss)(adapter, X, g)
    outer = g @ X.T
    rounding = ROUNDING(np.float64, 12) * np.max(np.abs(outer)) * 4
    np.testing.assert_allclose(found.w, outer, rtol=0, atol=rounding)
    np.testing.assert_allclose(found.b, adapter.scale * outer @ adapter.a.T, rtol=0, atol=rounding * 4)
    np.testing.assert_allclose(found.a, adapter.scale * adapter.b.T @ outer, rtol=0, atol=rounding * 4)
    start = grad(loss)(lora(W, 2, rng=0), X, g)
    np.testing.assert_array_equal(start.a, np.zeros((2, 4)))
    assert np.all(start.b != 0)


def test_what_adalora_adds_to_the_loss_and_how_it_ranks():
    adapter = trained("adalora")
    differences.check_gradients(lambda f: orthogonality(f), adapter)
    differences.check_gradients(lambda x, g: sensitivity(x, g, (x * x, g * g)), X, X[::-1].copy() + 0.1)
    differences.check_gradients(importance, adapter.left, adapter.values, adapter.right)


WEIGHTS = {
    "albert": lambda w, x: WEIGHTED["albert"](w, 2),
    "asvd": lambda w, x: WEIGHTED["asvd"](w, x, 2),
    "svd_llm": lambda w, x: WEIGHTED["svd_llm"](w, x, 2),
}


def test_every_weighted_factorization_is_tried():
    assert sorted(WEIGHTS) == sorted(WEIGHTED)


@pytest.mark.parametrize("name", sorted(WEIGHTS))
def test_weighted_factorizations(monkeypatch, name):
    monkeypatch.setattr(differences, "STEP", 2.0**-16)

    def parts(w, x):
        f = WEIGHTS[name](w, x)
        return f.to_dense(), f.error_bound, [y * y for y in tree_leaves(f)]

    differences.check_gradients(parts, W, INPUTS)
