"""Facts about the score `location`."""

import numpy as np
import pytest
from hypothesis import given, settings
from oracles import agree, draw, lists, score, seeds, sizes

from factorattn.score import location
from factorattn.score.engine import ACTIVATIONS


@pytest.mark.parametrize("activation", ACTIVATIONS)
@settings(deadline=None)
@given(n=sizes, m=sizes, d=sizes, c=sizes, seed=seeds)
def test_location_is_the_paper(activation, n, m, d, c, seed):
    arrays = draw(seed, (n, d), (m, c), (m, d))
    agree(location(*arrays, activation=activation), score.location(*lists(*arrays), activation=activation), d)


def test_keys_do_not_matter(rng):
    q, w = rng.standard_normal((3, 2)), rng.standard_normal((4, 2))
    np.testing.assert_array_equal(location(q, np.full((4, 5), np.nan), w), location(q, np.zeros((4, 5)), w))


def test_a_row_for_each_position_is_needed():
    with pytest.raises(ValueError, match="axis 'm' is 3 in k"):
        location(np.ones((1, 2)), np.ones((3, 2)), np.ones((4, 2)))
