"""Facts about the distribution `hard`."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, distribution

from factorattn.distribution import hard


@settings(deadline=None)
@given(st.lists(st.integers(-2, 2).map(float) | st.sampled_from([np.inf, -np.inf]), min_size=1, max_size=9))
def test_hard_is_the_first_of_the_largest(a):
    agree(hard(np.array(a)), distribution.hard(a), len(a))
