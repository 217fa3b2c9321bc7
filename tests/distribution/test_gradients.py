"""Every distribution against central differences: by scores, by alpha, by a sink; and against torch and entmax."""

import array_api_compat
import numpy as np
import pytest
from libraries import LIBRARIES
from oracles import agree

from factorattn.distribution import DISTRIBUTIONS, entmax, entmax_alpha_gradient, softmax, sparsemax
from factorattn.interpret.gradient import grad, jacobian, jvp, vjp
from factorattn.testing.differences import check_gradients

ROWS = [(name, {}) for name in DISTRIBUTIONS if name not in ("deattention", "multinoulli", "top_k")]
ROWS += [("top_k", {"k": 3}), ("sigmoid", {"bias": -1.0}), ("sinkhorn", {"rounds": 1}), ("sinkhorn", {"rounds": 6})]
ROWS += [("entmax", {"alpha": alpha}) for alpha in (1.0, 1.2, 1.5, 1.9, 2.0, 2.3)]
NAMES = [" ".join([name, *map(str, options.values())]) for name, options in ROWS]
every_row = pytest.mark.parametrize(("name", "options"), ROWS, ids=NAMES)


def scores(*shape, seed=0):
    """Distinct and not negative, which `proportional` needs."""
    return np.random.default_rng(seed).exponential(size=shape)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


@every_row
def test_it_is_differentiated_by_scores(name, options):
    check_gradients(lambda a: DISTRIBUTIONS[name](a, **options), scores(2, 4, 6))


@every_row
def test_keys_that_are_not_seen_have_no_gradient_and_empty_rows_a_finite_one(name, options):
    a, hidden = scores(4, 6), np.zeros((4, 6), dtype=bool)
    hidden[0, :2], hidden[1], hidden[:, 5] = True, True, True

    def seen(a, hidden):
        xp = array_api_compat.array_namespace(a)
        return DISTRIBUTIONS[name](xp.where(hidden, -xp.inf, a), **options)

    check_gradients(seen, a, hidden)
    pulled = vjp(seen, a, hidden)[1](normal(4, 6))[0]
    assert np.all(pulled[hidden] == 0)


@pytest.mark.parametrize("gate", ["scale", "centre", "plain"])
def test_deattention_is_differentiated_by_both_scores(gate):
    check_gradients(lambda a, b: DISTRIBUTIONS["deattention"](a, b, gate=gate), normal(2, 4, 5), -scores(2, 4, 5))


def test_a_sink_is_differentiated():
    check_gradients(DISTRIBUTIONS["softmax_one"], normal(2, 4, 5), normal(2, 4, seed=1))


@pytest.mark.parametrize("name", ["hard", "multinoulli"])
def test_a_choice_is_held(name):
    options = {"uniform": np.asarray(0.6)} if name == "multinoulli" else {}
    pulled = vjp(lambda a, options: DISTRIBUTIONS[name](a, **options), normal(3, 5), options)[1](normal(3, 5))
    assert np.all(pulled[0] == 0)


@pytest.mark.parametrize(
    "alpha",
    [
        np.asarray(1.7),
        np.asarray([1.2, 1.5, 2.0]),
        np.asarray([[1.1], [1.9]]),
        np.asarray([[1.1, 1.3, 1.5], [1.7, 1.9, 2.2]]),
    ],
    ids=["one", "a row each", "a head each", "all"],
)
def test_entmax_is_differentiated_by_alpha(alpha):
    check_gradients(entmax, normal(2, 3, 6, seed=3), alpha)


def test_an_alpha_of_one_is_not_cut_off():
    a, alpha, g = normal(4, 6), np.ones(4), normal(4, 6, seed=1)
    by_scores, by_alpha = vjp(entmax, a, alpha)[1](g)
    agree(by_scores, vjp(softmax, a)[1](g)[0], 6)
    agree(by_alpha, np.sum(g * entmax_alpha_gradient(a, alpha), axis=-1), 6)
    assert np.all(by_alpha != 0)


@pytest.mark.parametrize("alpha", [1.2, 1.5, 2.0])
def test_numbers_and_arrays_of_alpha_have_the_same_gradient(alpha):
    a, g = normal(4, 7), normal(4, 7, seed=1)
    agree(vjp(lambda a: entmax(a, alpha), a)[1](g)[0], vjp(entmax, a, np.asarray(alpha))[1](g)[0], 200)


def test_derivatives_of_derivatives_are_those_of_solutions_too():
    def slope(a, alpha):
        def total(a, alpha):
            xp = array_api_compat.array_namespace(a)
            return xp.sum(entmax(a, alpha) ** 3)

        return grad(total, argnums=(0, 1))(a, alpha)

    check_gradients(slope, normal(3, 5), np.asarray([1.2, 1.5, 1.8]))


@pytest.mark.parametrize("f", [softmax, sparsemax, entmax])
def test_a_jacobian_is_symmetric_and_its_rows_sum_to_zero(f):
    j = jacobian(f)(normal(6))
    agree(j, j.T, 6)
    agree(np.sum(j, axis=-1), np.zeros(6), 6)
    agree(j @ normal(6, seed=2), jvp(f, (normal(6),), (normal(6, seed=2),))[1], 6)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("f", [softmax, sparsemax, entmax], ids=lambda f: f.__name__)
def test_every_library_gives_the_same(f, dtype, library):
    xp = pytest.importorskip(library)
    a, g = normal(4, 6), normal(4, 6, seed=1)
    got = vjp(f, xp.asarray(a.astype(dtype)))[1](xp.asarray(g.astype(dtype)))[0]
    assert got.dtype == getattr(xp, dtype)
    agree(np.asarray(got), vjp(f, a)[1](g)[0], 6)


@pytest.mark.peers
def test_softmax_is_that_of_torch():
    torch = pytest.importorskip("torch", reason="torch is not installed (extra: peers)")
    a, g = normal(3, 4, 6), normal(3, 4, 6, seed=1)
    x = torch.tensor(a, requires_grad=True)
    (want,) = torch.autograd.grad(torch.softmax(x, dim=-1), x, torch.tensor(g))
    agree(vjp(softmax, a)[1](g)[0], want.numpy(), 6)


@pytest.mark.peers
@pytest.mark.parametrize("name", ["sparsemax", "entmax15", "entmax_bisect"])
def test_entmax_is_that_of_its_authors(name):
    torch = pytest.importorskip("torch", reason="torch is not installed (extra: peers)")
    peer = pytest.importorskip("entmax", reason="entmax is not installed (extra: peers)")
    options = {"alpha": 1.3, "n_iter": 100} if name == "entmax_bisect" else {}
    a, g = normal(3, 4, 6), normal(3, 4, 6, seed=1)
    x = torch.tensor(a, requires_grad=True)
    (want,) = torch.autograd.grad(getattr(peer, name)(x, dim=-1, **options), x, torch.tensor(g))
    alpha = {"sparsemax": 2.0, "entmax15": 1.5, "entmax_bisect": 1.3}[name]
    agree(vjp(lambda a: entmax(a, alpha), a)[1](g)[0], want.numpy(), 300)


@pytest.mark.peers
def test_alpha_is_learned_as_by_its_authors():
    torch = pytest.importorskip("torch", reason="torch is not installed (extra: peers)")
    peer = pytest.importorskip("entmax", reason="entmax is not installed (extra: peers)")
    a, alpha, g = normal(3, 6), np.asarray([1.2, 1.4, 1.8]), normal(3, 6, seed=1)
    x, y = torch.tensor(a, requires_grad=True), torch.tensor(alpha[:, None], requires_grad=True)
    want = torch.autograd.grad(peer.entmax_bisect(x, y, dim=-1, n_iter=100), (x, y), torch.tensor(g))
    got = vjp(entmax, a, alpha)[1](g)
    agree(got[0], want[0].numpy(), 300)
    agree(got[1], want[1].numpy()[:, 0], 300)
