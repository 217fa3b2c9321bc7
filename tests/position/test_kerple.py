"""Facts about KERPLE."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, lists, position, seeds, sizes

from factorattn.position import alibi, alibi_slopes, kerple
from factorattn.testing import ROUNDING

KERNELS = ("logarithmic", "power")


@pytest.mark.parametrize("kernel", KERNELS)
@settings(deadline=None)
@given(h=sizes, n=sizes, m=sizes, seed=seeds, offset=st.none() | st.integers(-9, 9))
def test_kerple_is_the_paper(kernel, h, n, m, seed, offset):
    r_1, r_2 = np.random.default_rng(seed).uniform(0.01, 2, (2, h))
    got = kerple(r_1, r_2, n, m, kernel=kernel, offset=offset)
    agree(got, position.kerple(*lists(r_1, r_2), n, m, kernel=kernel, offset=offset), 1)


@pytest.mark.parametrize("kernel", KERNELS)
def test_up_to_a_constant_it_is_an_inner_product(kernel, rng):
    # Conditionally positive definite: on vectors that sum to zero the form is not negative.
    r_1, r_2 = rng.uniform(0.1, 2, (2, 6))
    bias = kerple(r_1, r_2, 20, 20, kernel=kernel)
    centred = np.eye(20) - 1 / 20
    values = np.linalg.eigvalsh(centred @ bias @ centred)
    assert np.all(values >= -np.max(np.abs(bias)) * ROUNDING(np.float64, 20**2))


def test_the_power_one_is_symmetric_alibi():
    slopes = alibi_slopes(8, like=np.empty(0))
    got = kerple(slopes, np.ones(8), 5, 9, kernel="power")
    np.testing.assert_array_equal(got, alibi(8, 5, 9, like=slopes, symmetric=True))


def test_by_hand():
    np.testing.assert_array_equal(kerple(np.array([3.0]), np.array([2.0]), 1, 3, kernel="power"), [[[-12, -3, 0]]])


def test_nonsense_is_refused_by_name():
    with pytest.raises(ValueError, match="kernel must be 'logarithmic' or 'power', got 'linear'"):
        kerple(np.ones(2), np.ones(2), 3, 3, kernel="linear")
    with pytest.raises(ValueError, match="axis 'h' is 2"):
        kerple(np.ones(2), np.ones(3), 3, 3)
