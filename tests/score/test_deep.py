"""Facts about the score `deep`."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, draw, lists, score, seeds, sizes

from factorattn.score import deep
from factorattn.score.engine import ACTIVATIONS


@pytest.mark.parametrize("activation", ACTIVATIONS)
@settings(deadline=None)
@given(n=sizes, m=sizes, d=sizes, c=sizes, a=sizes, s=st.integers(0, 3), biased=st.booleans(), seed=seeds)
def test_deep_is_the_paper(activation, n, m, d, c, a, s, biased, seed):
    *arrays, b, layers, biases = draw(seed, (n, d), (m, c), (a, d), (a, c), (a,), (a,), (s, a, a), (s, a))
    b, biases = (b, biases) if biased and s else (None, None)
    layers = layers if s else None
    want = score.deep(*lists(*arrays, b, layers, biases), activation=activation)
    agree(deep(*arrays, b, layers, biases, activation=activation), want, a ** (s + 1) * (d + c))


def test_layers_are_applied_in_their_order():
    q, k, one = np.array([[1.0]]), np.array([[1.0]]), np.ones((1, 1))
    layers, biases = np.array([[[10.0]], [[1.0]]]), np.array([[1.0], [0.5]])
    got = deep(q, k, one, one, np.ones(1), None, layers, biases)
    np.testing.assert_array_equal(got, [[21.5]])


def test_biases_without_layers_are_refused():
    with pytest.raises(ValueError, match="biases are those of layers"):
        deep(*np.ones((4, 1, 1)), np.ones(1), biases=np.ones((2, 1)))
