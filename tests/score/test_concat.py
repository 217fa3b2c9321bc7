"""Facts about the score `concat`."""

import numpy as np
import pytest
from hypothesis import given, settings
from oracles import agree, draw, lists, score, seeds, sizes

from factorattn.score import concat
from factorattn.score.engine import ACTIVATIONS


@pytest.mark.parametrize("activation", ACTIVATIONS)
@settings(deadline=None)
@given(n=sizes, m=sizes, d=sizes, c=sizes, a=sizes, seed=seeds)
def test_concat_is_the_paper(activation, n, m, d, c, a, seed):
    arrays = draw(seed, (n, d), (m, c), (a, d + c), (a,))
    want = score.concat(*lists(*arrays), activation=activation)
    agree(concat(*arrays, activation=activation), want, a * (d + c))


def test_the_first_columns_are_for_the_query():
    q, k, w = np.array([[1.0]]), np.array([[2.0, 4.0]]), np.array([[100.0, 10.0, 1.0]])
    np.testing.assert_array_equal(concat(q, k, w, np.ones(1), activation="identity"), [[124.0]])


def test_a_matrix_of_another_width_is_refused():
    with pytest.raises(ValueError, match=r"w must have d \+ c = 5 columns, got shape \(7, 4\)"):
        concat(np.ones((1, 2)), np.ones((1, 3)), np.ones((7, 4)), np.ones(7))
