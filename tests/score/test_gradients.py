"""Every score against central differences, by each of its arrays, with each of its options; and where entries are 0.

Seeds are such that no ReLU has its kink between two differences: it would show as a difference of 1e-3 or so.
"""

import numpy as np
import pytest
from libraries import LIBRARIES
from oracles import agree

from factorattn.contract import sample
from factorattn.interpret.gradient import vjp
from factorattn.score import SCORES
from factorattn.testing.differences import check_gradients

SIZES = {"n": 9, "m": 4, "d": 4, "c": 5, "a": 7, "f": 3, "r": 4, "s": 2}  # more queries than a tile of hidden layers
OPTIONS = [(name, {}) for name in SCORES]
OPTIONS += [
    (name, {"activation": activation})
    for name in ("activated_general", "additive", "concat", "deep", "feature", "location", "location_aware")
    for activation in ("tanh", "relu", "sigmoid", "identity")
]
OPTIONS += [("kernel", {"features": features}) for features in ("identity", "relu", "exp")]
OPTIONS += [("scaled_dot", {"scale": 0.3}), ("euclidean", {"scale": 0.3}), ("gaussian", {"sigma": 0.7})]


SEEDS = {"concat relu": 1, "deep": 17, "deep relu": 17}
IDS = [" ".join([name, *map(str, options.values())]) for name, options in OPTIONS]


def inputs(name, batch=(), seed=0):
    sizes = {**SIZES, "f": SIZES["d"] + SIZES["c"]} if name == "concat" else SIZES
    return sample(SCORES[name].record.inputs, np.random.default_rng(seed), sizes, batch=batch)


def called(name, given, options):
    """The score as a function of its arrays alone, and these."""
    arrays = {key: value for key, value in given.items() if isinstance(value, np.ndarray)}
    rest = {key: value for key, value in given.items() if key not in arrays}
    return (lambda arrays: SCORES[name](**arrays, **rest, **options)), arrays


@pytest.mark.parametrize(("name", "options"), OPTIONS, ids=IDS)
def test_it_is_differentiated_by_every_array(name, options, request):
    seed = SEEDS.get(request.node.callspec.id, 0)
    check_gradients(*called(name, inputs(name, seed=seed), options))


@pytest.mark.parametrize("name", SCORES)
def test_batches_broadcast_on_the_way_back(name):
    given = inputs(name, batch=(2,), seed=SEEDS.get(name, 0))
    given["q"] = np.stack([given["q"]] * 3)  # (3, 2, n, d) against (2, ...)
    check_gradients(*called(name, given, {}), forward=False)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("name", SCORES)
def test_gradients_are_those_of_numpy_on_every_library(name, library):
    xp = pytest.importorskip(library)
    f, arrays = called(name, inputs(name), {})
    g = np.random.default_rng(1).standard_normal(f(arrays).shape)
    (want,) = vjp(f, arrays)[1](g)
    (got,) = vjp(f, {key: xp.asarray(x) for key, x in arrays.items()})[1](xp.asarray(g))
    for key, x in want.items():
        agree(np.asarray(got[key]), x, SIZES["n"] * SIZES["m"])


@pytest.mark.parametrize("name", ["euclidean", "gaussian"])
def test_at_its_own_key_a_query_is_as_near_as_it_can_be(name):
    q = np.random.default_rng(0).standard_normal((5, 3))
    pulled = vjp(SCORES[name], q, q.copy())[1](np.eye(5))
    assert all(np.all(x == 0) for x in pulled)


@pytest.mark.parametrize("name", ["cosine", "general", "dot", "additive"])
def test_rows_of_zeros_have_finite_gradients(name):
    f, arrays = called(name, inputs(name), {})
    (pulled,) = vjp(f, {key: 0 * x for key, x in arrays.items()})[1](np.ones((SIZES["n"], SIZES["m"])))
    assert all(np.all(np.isfinite(x)) for x in pulled.values())
