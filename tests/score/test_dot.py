"""Facts about the score `dot`."""

import numpy as np
from hypothesis import given, settings
from oracles import agree, draw, lists, score, seeds, sizes

from factorattn.score import dot


@settings(deadline=None)
@given(n=sizes, m=sizes, d=sizes, seed=seeds)
def test_dot_is_the_inner_product(n, m, d, seed):
    q, k = draw(seed, (n, d), (m, d))
    agree(dot(q, k), score.dot(*lists(q, k)), d)


def test_dot_by_hand():
    np.testing.assert_array_equal(dot(np.array([[1.0, 2.0]]), np.array([[3.0, 4.0], [0.0, -1.0]])), [[11.0, -2.0]])


def test_vectors_of_no_entries_have_inner_product_zero():
    np.testing.assert_array_equal(dot(np.ones((2, 0)), np.ones((3, 0))), np.zeros((2, 3)))


def test_nan_and_infinity_stay_in_their_column():
    got = dot(np.ones((2, 2)), np.array([[np.nan, 1.0], [np.inf, 1.0], [1.0, 1.0]]))
    np.testing.assert_array_equal(got, [[np.nan, np.inf, 2.0]] * 2)
