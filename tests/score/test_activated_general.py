"""Facts about the score `activated_general`."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, draw, lists, score, seeds, sizes

from factorattn.score import activated_general
from factorattn.score.engine import ACTIVATIONS


@pytest.mark.parametrize("activation", ACTIVATIONS)
@settings(deadline=None)
@given(n=sizes, m=sizes, d=sizes, c=sizes, biased=st.booleans(), seed=seeds)
def test_activated_general_is_the_paper(activation, n, m, d, c, biased, seed):
    q, k, w, b = draw(seed, (n, d), (m, c), (d, c), ())
    b = np.asarray(b) if biased else None
    want = score.activated_general(*lists(q, k, w, b), activation=activation)
    agree(activated_general(q, k, w, b, activation=activation), want, d * c)


def test_no_score_leaves_the_range_of_tanh():
    got = activated_general(np.array([[1e300], [-1e300]]), np.array([[1.0]]), np.array([[1.0]]))
    np.testing.assert_array_equal(got, [[1.0], [-1.0]])


def test_sigmoid_does_not_overflow():
    got = activated_general(np.array([[1e300], [-1e300]]), np.array([[1.0]]), np.array([[1.0]]), activation="sigmoid")
    np.testing.assert_array_equal(got, [[1.0], [0.0]])


def test_an_unknown_activation_is_refused_with_the_list():
    with pytest.raises(ValueError, match="activation must be 'tanh' or 'relu' or 'sigmoid' or 'identity', got 'gelu'"):
        activated_general(*np.ones((3, 1, 1)), activation="gelu")
