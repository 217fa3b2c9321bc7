"""Facts about the distribution `softmax`."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, distribution

from factorattn.distribution import softmax

rows = st.lists(st.floats(-50, 50) | st.just(-np.inf), min_size=1, max_size=9)


@settings(deadline=None)
@given(rows)
def test_softmax_is_the_definition(a):
    agree(softmax(np.array(a)), distribution.softmax(a), len(a))


def test_softmax_of_the_published_example():
    # Peters, Niculae and Martins 2019, figure of mappings: scores (-2, 0, 0.5)
    np.testing.assert_array_equal(np.round(softmax(np.array([-2.0, 0.0, 0.5])), 4), [0.0486, 0.3592, 0.5922])
