"""Facts about the score `feature`."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, draw, lists, score, seeds, sizes

from factorattn.score import feature

MAPS = {
    "identity": lambda x: x,
    "elu_plus_one": lambda x: [t + 1 if t > 0 else math.exp(t) for t in x],
    "relu": lambda x: [max(t, 0.0) for t in x],
    "exp": lambda x: [math.exp(t) for t in x],
}


@pytest.mark.parametrize("activation", ["tanh", "identity"])
@settings(deadline=None)
@given(
    n=sizes,
    m=sizes,
    c=sizes,
    a=sizes,
    maps=st.tuples(*[st.sampled_from(sorted(MAPS))] * 2),
    biased=st.booleans(),
    seed=seeds,
)
def test_feature_is_the_equation_of_the_survey(activation, n, m, c, a, maps, biased, seed):
    *arrays, b = draw(seed, (n, 2), (m, c), (a, c), (a, c), (a,), (a,))
    b = b if biased else None
    got = feature(*arrays, b, phi_1=maps[0], phi_2=maps[1], activation=activation)
    agree(got, score.feature(*lists(*arrays, b), MAPS[maps[0]], MAPS[maps[1]], activation), a * c)


def test_maps_may_have_any_width(rng):
    q, k = rng.standard_normal((3, 2)), rng.standard_normal((4, 5))
    w_1, w_2, v = rng.standard_normal((6, 1)), rng.standard_normal((6, 10)), rng.standard_normal(6)
    got = feature(
        q,
        k,
        w_1,
        w_2,
        v,
        phi_1=lambda x: x.sum(axis=-1, keepdims=True),
        phi_2=lambda x: np.concatenate([x, x * x], axis=-1),
    )
    want = score.feature(*lists(q, k, w_1, w_2, v), None, lambda x: [math.fsum(x)], lambda x: [*x, *(t * t for t in x)])
    agree(got, want, 20)


def test_every_query_sees_the_same(rng):
    q, k, w, v = rng.standard_normal((3, 2)), rng.standard_normal((4, 5)), rng.standard_normal((2, 6, 5)), np.ones(6)
    got = feature(q, k, w[0], w[1], v)
    assert got.shape == (3, 4)
    np.testing.assert_array_equal(got, np.broadcast_to(got[:1], (3, 4)))


def test_a_matrix_that_does_not_fit_its_map_is_refused():
    arrays = np.ones((1, 2)), np.ones((3, 5)), np.ones((6, 5)), np.ones((6, 5)), np.ones(6)
    with pytest.raises(ValueError, match="axis 'f' is 2 in k_1"):
        feature(*arrays, phi_1=lambda x: x[..., :2])
    with pytest.raises(ValueError, match="phi_2 must be 'identity'"):
        feature(*arrays, phi_2="square")
