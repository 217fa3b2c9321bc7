"""Facts about the distribution `deattention`."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, distribution, draw, lists, seeds, sizes

from factorattn.distribution import deattention


@pytest.mark.parametrize("gate", ["scale", "centre", "plain"])
@settings(deadline=None)
@given(n=sizes, m=sizes, seed=seeds, holes=st.floats(0, 1))
def test_deattention_is_the_paper(gate, n, m, seed, holes):
    a, b, chance = draw(seed, (n, m), (n, m), (n, m))
    a = np.where(chance < holes - 0.5, -np.inf, a)
    b = -np.abs(b)
    agree(deattention(a, b, gate=gate), distribution.deattention(*lists(a, b), gate=gate), n * m)


def test_alike_is_added_unlike_is_left_out_opposite_is_subtracted():
    got = deattention(np.array([[1e3, 1e3, -1e3]]), np.array([[0.0, -1e3, 0.0]]))
    np.testing.assert_array_equal(got, [[1.0, 0.0, -1.0]])


@pytest.mark.parametrize("gate", ["scale", "centre", "plain"])
def test_what_is_not_seen_does_not_matter(gate, rng):
    a, b = rng.standard_normal((2, 4, 5))
    seen = rng.random((4, 5)) < 0.6
    hidden = np.where(seen, a, -np.inf)
    p = deattention(hidden, np.where(seen, b, np.nan), gate=gate)
    np.testing.assert_array_equal(p, deattention(hidden, b, gate=gate))
    np.testing.assert_array_equal(p[~seen], 0.0)


def test_centred_by_hand():
    got = deattention(np.array([[np.inf, np.inf]]), np.array([[-4.0, -2.0]]), gate="centre")
    agree(got, [[1 / (1 + np.e), np.e / (1 + np.e)]], 2)


def test_an_unknown_gate_is_refused():
    with pytest.raises(ValueError, match="gate must be 'scale' or 'centre' or 'plain', got 'none'"):
        deattention(np.zeros((1, 1)), np.zeros((1, 1)), gate="none")
