"""Facts about the score `kernel`."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from oracles import agree, draw, lists, score, seeds, sizes

from factorattn.score import kernel

MAPS = {
    "identity": lambda x: x,
    "elu_plus_one": lambda x: [t + 1 if t > 0 else math.exp(t) for t in x],
    "relu": lambda x: [max(t, 0.0) for t in x],
    "exp": lambda x: [math.exp(t) for t in x],
}


@pytest.mark.parametrize("features", MAPS)
@settings(deadline=None)
@given(n=sizes, m=sizes, d=sizes, seed=seeds)
def test_kernel_is_the_inner_product_of_features(features, n, m, d, seed):
    q, k = draw(seed, (n, d), (m, d))
    agree(kernel(q, k, features=features), score.kernel(*lists(q, k), MAPS[features]), d)


def test_any_map_will_do_whatever_its_width(rng):
    q, k = rng.standard_normal((2, 5, 3))
    got = kernel(q, k, features=lambda x: np.concatenate([np.sin(x), np.cos(x)], axis=-1))
    agree(got, score.kernel(*lists(q, k), lambda x: [math.sin(t) for t in x] + [math.cos(t) for t in x]), 6)


def test_elu_of_a_large_number_does_not_overflow():
    np.testing.assert_array_equal(kernel(np.array([[1e4]]), np.array([[0.0]])), [[10001.0]])


def test_an_unknown_map_is_refused_with_the_list():
    with pytest.raises(
        ValueError, match="features must be 'identity' or 'elu_plus_one' or 'relu' or 'exp', got 'cube'"
    ):
        kernel(np.ones((1, 1)), np.ones((1, 1)), features="cube")
