"""Facts about the score `additive`."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, draw, lists, score, seeds, sizes

from factorattn.score import additive
from factorattn.score.engine import ACTIVATIONS


@pytest.mark.parametrize("activation", ACTIVATIONS)
@settings(deadline=None)
@given(n=st.integers(1, 20), m=sizes, d=sizes, c=sizes, a=sizes, biased=st.booleans(), seed=seeds)
def test_additive_is_the_paper(activation, n, m, d, c, a, biased, seed):
    *arrays, b = draw(seed, (n, d), (m, c), (a, d), (a, c), (a,), (a,))
    b = b if biased else None
    want = score.additive(*lists(*arrays, b), activation=activation)
    agree(additive(*arrays, b, activation=activation), want, a * (d + c))


def test_additive_by_hand():
    one = np.ones((1, 1))
    got = additive(0.25 * one, 0.5 * one, one, one, np.array([2.0]))
    agree(got, [[2 * np.tanh(0.75)]], 1)


def test_a_score_is_at_most_the_sum_of_the_weights():
    got = additive(
        np.array([[1e300], [-1e300]]), np.zeros((1, 1)), np.ones((2, 1)), np.ones((2, 1)), np.array([1.0, 2.0])
    )
    np.testing.assert_array_equal(got, [[3.0], [-3.0]])


def test_nan_stays_in_its_row_and_column():
    eye = np.eye(1)
    got = additive(np.array([[1.0], [np.nan]]), np.array([[1.0], [np.nan]]), eye, eye, np.ones(1))
    np.testing.assert_array_equal(np.isnan(got), [[False, True], [True, True]])


def test_no_array_of_all_pairs_and_units_is_held():
    from factorattn import cost

    sizes = {"n": 4096, "m": 4096, "d": 64, "c": 64, "a": 64}
    assert cost(additive, sizes).peak < 3 * 4 * 4096 * 4096


def test_an_unknown_activation_is_refused():
    with pytest.raises(ValueError, match="activation must be 'tanh'"):
        additive(*np.ones((4, 1, 1)), np.ones(1), activation="none")
