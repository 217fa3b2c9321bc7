"""K-means of sign codes: by hand, against loops, and across libraries."""

import array_api_compat.numpy as xnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from libraries import LIBRARIES
from oracles import clustered

from factorattn.primitives.cluster import hamming_clusters, members_of, sign_codes
from factorattn.testing.case import to_numpy


@pytest.fixture(params=LIBRARIES)
def xp(request):
    return pytest.importorskip(request.param)


def random_codes(rng, *shape):
    return np.where(rng.random(shape) < 0.5, 1.0, -1.0)


@settings(deadline=None)
@given(
    n=st.integers(1, 14), s=st.integers(1, 5), t=st.integers(1, 16), iterations=st.integers(0, 4),
    absent=st.booleans(), seed=st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_clusters_are_those_of_lloyd(n, s, t, iterations, absent, seed):
    """Few bits, so that distances tie, bits are even and clusters run empty all the time."""
    rng = np.random.default_rng(seed)
    codes, present = random_codes(rng, n, s), rng.random(n) < 0.6
    got = hamming_clusters(codes, t, iterations=iterations, present=present if absent else None, xp=xnp)
    there = present.tolist() if absent else [True] * n
    assert got.tolist() == clustered.hamming_clusters(codes.tolist(), t, iterations, there)


def test_a_centre_without_items_stays_and_even_bits_are_minus():
    codes = np.asarray([[1, 1], [-1, -1], [1, -1], [1, 1.0]])  # centres begin at items 0 and 2
    assert hamming_clusters(codes, 2, iterations=0, xp=xnp).tolist() == [0, 1, 1, 0]
    # The second centre moves to (0, -1), that is (-1, -1): item 2 is as far from the first, which wins.
    assert hamming_clusters(codes, 2, iterations=1, xp=xnp).tolist() == [0, 1, 0, 0]
    same = np.ones((5, 3))
    assert hamming_clusters(same, 3, iterations=4, xp=xnp).tolist() == [0] * 5  # two centres never get an item


@pytest.mark.parametrize("t", [4, 5, 100])
def test_with_a_cluster_for_each_item_none_are_joined(t):
    assert hamming_clusters(np.ones((2, 4, 3)), t, iterations=3, xp=xnp).tolist() == [[0, 1, 2, 3]] * 2


def test_codes_are_signs_and_zero_is_negative():
    x = np.asarray([[1.0, 2.0], [0.0, 0.0], [-1.0, 0.5], [np.nan, 0.0]])
    assert sign_codes(x, np.eye(2), xp=xnp).tolist() == [[1, 1], [-1, -1], [-1, 1], [-1, -1]]


def test_members_are_one_in_each_column():
    got = members_of(np.asarray([[0, 2, 2], [1, 1, 0]]), 3, dtype=np.float64, xp=xnp)
    assert got.tolist() == [[[1, 0, 0], [0, 0, 0], [0, 1, 1]], [[0, 0, 1], [1, 1, 0], [0, 0, 0]]]


def test_every_library_gives_the_same(xp, rng):
    codes = random_codes(rng, 3, 40, 6)
    got = hamming_clusters(xp.asarray(codes), 5, iterations=6, xp=xp)
    np.testing.assert_array_equal(to_numpy(got), hamming_clusters(codes, 5, iterations=6, xp=xnp))
