"""Plain Python loops from the papers' indices, one file for each mechanism; and what their tests share."""

import numpy as np
from hypothesis import strategies as st

from factorattn.testing import ROUNDING

sizes = st.integers(1, 7)
seeds = st.integers(0, 2**32 - 1)


def draw(seed, *shapes):
    """Standard normal arrays."""
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape) for shape in shapes]


def lists(*arrays):
    """Arrays as nested lists, for an oracle; None stays None."""
    return [x if x is None else x.tolist() for x in arrays]


def agree(got, want, length):
    """Hold a result against an oracle's, up to the rounding of sums of `length` terms."""
    want = np.array(want)
    assert got.shape == want.shape
    finite = np.isfinite(want)
    np.testing.assert_array_equal(got[~finite], want[~finite])
    scale = max(1.0, np.max(np.abs(want[finite]), initial=0.0))
    assert np.max(np.abs(got[finite] - want[finite]), initial=0.0) <= scale * ROUNDING(got.dtype, length)
