"""Every named equivalence holds to rounding."""

import numpy as np
import pytest

from factorattn.testing import ROUNDING
from factorattn.testing.equivalences import EQUIVALENCES

N, D, E, H = 150, 8, 5, 4


@pytest.mark.parametrize("edge", EQUIVALENCES, ids=str)
def test_equivalence_holds(edge, rng):
    q, k, v = (rng.standard_normal((H, N, width)) for width in (D, D, E))
    got, want = edge.compute(q, k, v), edge.expect(q, k, v)
    assert got.shape == want.shape
    assert np.max(np.abs(got - want)) <= np.max(np.abs(want)) * ROUNDING(np.float64, N)


def test_no_two_have_the_same_name():
    names = [str(edge) for edge in EQUIVALENCES]
    assert len(set(names)) == len(names)


def test_the_two_sides_are_two_calls():
    assert not [str(edge) for edge in EQUIVALENCES if edge.compute is edge.expect]
