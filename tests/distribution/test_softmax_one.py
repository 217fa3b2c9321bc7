"""Facts about the distribution `softmax_one`."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, distribution

from factorattn.distribution import softmax, softmax_one


@settings(deadline=None)
@given(st.lists(st.floats(-50, 50) | st.just(-np.inf), min_size=1, max_size=9), st.none() | st.floats(-50, 50))
def test_softmax_one_is_the_definition(a, sink):
    got = softmax_one(np.array(a), None if sink is None else np.asarray(sink))
    agree(got, distribution.softmax_one(a, sink=0.0 if sink is None else sink), len(a))


def test_it_is_softmax_with_one_more_key_that_is_left_out(rng):
    a, sink = rng.standard_normal((4, 5, 6)), rng.standard_normal((4, 1))
    more = np.concatenate([np.broadcast_to(sink[..., None], (4, 5, 1)), a], axis=-1)
    agree(softmax_one(a, sink), softmax(more)[..., 1:], 7)


def test_a_row_may_attend_to_nothing():
    np.testing.assert_array_equal(softmax_one(np.full(3, -1e4)), 0.0)
    agree(softmax_one(np.zeros(1)), [0.5], 1)


def test_a_sink_far_below_is_none(rng):
    a = rng.standard_normal((4, 5))
    agree(softmax_one(a, np.asarray(-1e4)), softmax(a), 5)


def test_sinks_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="batch axes must broadcast"):
        softmax_one(np.zeros((2, 3)), np.zeros(4))
