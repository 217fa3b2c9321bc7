"""Facts about the score `gaussian`."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, draw, lists, score, seeds, sizes

from factorattn.score import gaussian


@settings(deadline=None)
@given(n=sizes, m=sizes, d=sizes, sigma=st.floats(0.7, 10), seed=seeds)
def test_gaussian_is_the_logarithm_of_the_kernel(n, m, d, sigma, seed):
    q, k = draw(seed, (n, d), (m, d))
    agree(gaussian(q, k, sigma=sigma), score.gaussian(*lists(q, k), sigma=sigma), d)


def test_one_sigma_away_is_minus_a_half():
    np.testing.assert_array_equal(gaussian(np.array([[1.0]]), np.array([[3.0], [1.0]]), sigma=2.0), [[-0.5, 0.0]])


@pytest.mark.parametrize("sigma", [0.0, -1.0, np.nan])
def test_a_width_that_is_not_positive_is_refused(sigma):
    with pytest.raises(ValueError, match="sigma must be"):
        gaussian(np.ones((1, 1)), np.ones((1, 1)), sigma=sigma)
