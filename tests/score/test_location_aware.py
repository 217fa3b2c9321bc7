"""Facts about the score `location_aware`."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, draw, lists, score, seeds, sizes

from factorattn import cost
from factorattn.score import location_aware


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@settings(deadline=None)
@given(
    n=st.integers(1, 20),
    m=sizes,
    d=sizes,
    c=sizes,
    a=sizes,
    f=sizes,
    r=st.integers(1, 9),
    biased=st.booleans(),
    seed=seeds,
)
def test_location_aware_is_the_paper(activation, n, m, d, c, a, f, r, biased, seed):
    shapes = (n, d), (m, c), (n, m), (f, r), (a, d), (a, c), (a, f), (a,), (a,)
    *arrays, b = draw(seed, *shapes)
    b = b if biased else None
    want = score.location_aware(*lists(*arrays, b), activation=activation)
    agree(location_aware(*arrays, b, activation=activation), want, a * (d + c + f * r))


def test_filters_stand_over_their_key_and_end_in_zeros():
    zero, one = np.zeros((1, 1)), np.ones((1, 1))
    previous = np.array([[1.0, 0.0, 10.0, 0.0]])
    got = location_aware(
        zero, np.zeros((4, 1)), previous, np.array([[1.0, 2.0, 3.0]]), one, one, one, np.ones(1), activation="identity"
    )
    np.testing.assert_array_equal(got, [[2.0, 31.0, 20.0, 10.0]])


def test_no_array_of_all_pairs_and_filters_is_held():
    sizes = {"n": 4096, "m": 4096, "d": 64, "c": 64, "a": 64, "f": 10, "r": 101}
    assert cost(location_aware, sizes).peak < 4 * 4 * 4096 * 4096


def test_weights_of_another_shape_are_refused():
    shapes = {"previous": (2, 4), "filters": (1, 3), "w_q": (1, 1), "w_k": (1, 1), "w_f": (1, 1), "w": (1,)}
    with pytest.raises(ValueError, match="axis 'm' is 3 in k"):
        location_aware(np.ones((2, 1)), np.ones((3, 1)), **{name: np.ones(shape) for name, shape in shapes.items()})
