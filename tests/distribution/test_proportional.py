"""Facts about the distribution `proportional`."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, distribution

from factorattn.distribution import proportional


@settings(deadline=None)
@given(st.lists(st.floats(0.01, 50) | st.just(-np.inf), min_size=1, max_size=9))
def test_proportional_is_the_definition(a):
    agree(proportional(np.array(a)), distribution.proportional(a), len(a))


def test_a_row_of_zeros_gives_zeros():
    np.testing.assert_array_equal(proportional(np.zeros((2, 3))), 0.0)
