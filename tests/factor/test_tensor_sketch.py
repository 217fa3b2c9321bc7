"""TensorSketch: a CountSketch of all products of entries, unbiased for (x . y)^t, with its variance in closed form."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from libraries import LIBRARIES
from oracles import agree, lists, seeds
from oracles.factor.sketch import convolved, count_sketch
from oracles.factor.sketch import tensor_sketch as oracle

from factorattn.factor.sketch import tensor_sketch
from factorattn.interpret.counting import counting
from factorattn.testing.tolerance import BOUND, CHANCE, ROUNDING

LIKE = np.empty(0)
DRAWS = 2000
PAIRS = {
    "apart": np.random.default_rng(5).standard_normal((2, 3)),
    "same": np.repeat(np.random.default_rng(6).standard_normal((1, 3)), 2, axis=0),
    "orthogonal": np.asarray([[1.0, 2.0, 0.0], [-2.0, 1.0, 3.0]]),
}


@pytest.fixture(params=LIBRARIES)
def xp(request):
    return pytest.importorskip(request.param)


def hashes(sketch):
    """Buckets and signs of each CountSketch in it."""
    dense = [np.asarray(s.to_dense()) for s in sketch.sketches]
    return [np.argmax(np.abs(d), axis=0).tolist() for d in dense], [np.sum(d, axis=0).tolist() for d in dense]


@cache
def features(r, degree):
    """Of all pairs, for independent draws: (draws, pairs, 2, r)."""
    rng, x = np.random.default_rng(3), np.stack(list(PAIRS.values()))
    return np.stack([tensor_sketch(r, 3, degree, like=LIKE, rng=rng).features(x) for _ in range(DRAWS)])


def estimates(pair, r, degree):
    f = features(r, degree)[:, list(PAIRS).index(pair)]
    return np.sum(f[:, 0] * f[:, 1], axis=-1)


@settings(max_examples=40, deadline=None)
@given(r=st.integers(1, 8), p=st.integers(1, 4), degree=st.integers(1, 4), seed=seeds)
def test_features_are_the_count_sketch_of_all_products(r, p, degree, seed):
    sketch, x = tensor_sketch(r, p, degree, like=LIKE, rng=seed), np.random.default_rng(seed).standard_normal(p)
    got = sketch.features(x[None, :])[0]
    want = oracle(*lists(x), *hashes(sketch), r)
    allowed = ROUNDING("float64", r * p * degree) * max(1.0, np.sum(np.abs(x)) ** degree)
    assert np.max(np.abs(got - want)) <= allowed
    parts = [count_sketch(*lists(x), h, s, r) for h, s in zip(*hashes(sketch), strict=True)]
    assert np.max(np.abs(got - convolved(parts))) <= allowed


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize(("r", "degree"), [(4, 1), (5, 2), (2, 3), (6, 3)])
class TestChance:
    def test_the_kernel_is_estimated_without_bias(self, pair, r, degree):
        got, (x, y) = estimates(pair, r, degree), PAIRS[pair]
        size = (np.linalg.norm(x) * np.linalg.norm(y)) ** degree
        assert abs(np.mean(got) - (x @ y) ** degree) <= CHANCE(got) + ROUNDING("float64", r) * size

    def test_the_variance_is_that_of_the_closed_form(self, pair, r, degree):
        x, y = PAIRS[pair]
        got = (estimates(pair, r, degree) - (x @ y) ** degree) ** 2
        want = tensor_sketch(r, 3, degree, like=LIKE).variance(x, y)
        assert abs(np.mean(got) - want) <= CHANCE(got) + ROUNDING("float64", r) * want

    def test_the_variance_is_below_the_published_bound(self, pair, r, degree):
        x, y = PAIRS[pair]
        bound = (3**degree - 1) / r * (x @ x * (y @ y)) ** degree
        assert tensor_sketch(r, 3, degree, like=LIKE).variance(x, y) <= BOUND(bound, length=9)


def test_frequencies_that_are_their_own_negatives_vary_most():
    """Zero is the only one of an odd number of features; r / 2 is another where it is even."""
    x, y = PAIRS["apart"]
    one, two, three = (r * tensor_sketch(r, 3, 3, like=LIKE).variance(x, y) for r in (1, 2, 3))
    assert abs(one - two) <= ROUNDING("float64", 9) * one
    assert three < one


def test_of_degree_one_it_is_a_count_sketch():
    x, sketch = np.random.default_rng(0).standard_normal((5, 7)), tensor_sketch(4, 7, 1, like=LIKE, rng=2)
    agree(sketch.features(x), (sketch.sketches[0] @ x.T).T.tolist(), 7)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("r", [4, 5])
def test_namespaces_agree_and_keep_the_dtype(xp, dtype, r):
    x = np.random.default_rng(0).standard_normal((2, 3, 6)).astype(dtype)
    got = np.asarray(tensor_sketch(r, 6, 3, like=xp.asarray(x), rng=1).features(xp.asarray(x)))
    want = tensor_sketch(r, 6, 3, like=x.astype("float64"), rng=1).features(x.astype("float64"))
    assert got.dtype == dtype
    assert got.shape == (2, 3, r)
    assert np.max(np.abs(got - want)) <= ROUNDING(dtype, 18) * np.max(np.abs(want))


def test_its_cost_does_not_grow_with_the_number_of_products():
    xp = counting()
    flops = []
    for degree in (2, 4):
        sketch, x = tensor_sketch(64, 1000, degree, like=xp.empty(1), rng=0), xp.empty((1, 1000))
        xp.tally.start()
        assert sketch.features(x).shape == (1, 64)
        flops.append(xp.tally.flops)
    assert flops[1] < 2 * flops[0]


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="degree must be at least 1, got 0"):
        tensor_sketch(2, 3, 0, like=LIKE)
    with pytest.raises(TypeError, match=r"degree must be an integer, got 2\.5"):
        tensor_sketch(2, 3, 2.5, like=LIKE)
    with pytest.raises(TypeError, match="like must have a real floating dtype, got complex128"):
        tensor_sketch(2, 3, 2, like=LIKE * 1j)
    with pytest.raises(ValueError, match="needs 3 rows"):
        tensor_sketch(2, 3, 2, like=LIKE, rng=0).features(np.ones((5, 4)))
