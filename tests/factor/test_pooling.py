"""Segment means: every row averages its own run of positions."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from libraries import LIBRARIES

from factorattn.factor import segment_means, strided_convolution
from factorattn.interpret.counting import counting
from factorattn.testing.tolerance import ROUNDING

pairs = st.integers(1, 60).flatmap(lambda m: st.tuples(st.integers(1, m), st.just(m)))


def test_a_small_one_is_as_written_by_hand():
    np.testing.assert_array_equal(segment_means(2, 4), [[1 / 2, 1 / 2, 0, 0], [0, 0, 1 / 2, 1 / 2]])
    np.testing.assert_array_equal(segment_means(2, 3), [[1, 0, 0], [0, 1 / 2, 1 / 2]])
    assert segment_means(2, 4).dtype == np.float64


@settings(deadline=None)
@given(pairs)
def test_segments_are_those_of_the_formula(pair):
    r, m = pair
    e = segment_means(r, m)
    assert e.shape == (r, m)
    for a in range(r):
        first, last = a * m // r, (a + 1) * m // r - 1
        row = [Fraction(1, last - first + 1) if first <= j <= last else 0 for j in range(m)]
        np.testing.assert_array_equal(e[a], [float(entry) for entry in row])


@settings(deadline=None)
@given(pairs)
def test_every_position_is_in_one_segment_and_lengths_differ_by_one_at_most(pair):
    e = segment_means(*pair)
    np.testing.assert_array_equal(np.count_nonzero(e, axis=0), 1)
    lengths = np.count_nonzero(e, axis=1)
    assert lengths.max() - lengths.min() <= 1
    assert np.all(np.diff(np.argmax(e != 0, axis=0)) >= 0)  # in order


@settings(deadline=None)
@given(pairs)
def test_rows_sum_to_one_so_constants_stay(pair):
    r, m = pair
    np.testing.assert_allclose(segment_means(r, m) @ np.ones(m), 1, rtol=ROUNDING("float64", m), atol=0)


@pytest.mark.parametrize("m", [1, 2, 7, 64])
def test_as_many_segments_as_positions_are_the_identity(m):
    np.testing.assert_array_equal(segment_means(m, m), np.eye(m))


@pytest.mark.parametrize("m", [1, 2, 7, 64])
def test_one_segment_is_the_mean(m):
    np.testing.assert_array_equal(segment_means(1, m), np.full((1, m), 1 / m))


def test_more_segments_than_positions_are_refused():
    with pytest.raises(ValueError, match=r"^rank must be at most the number of keys 3, got 4$"):
        segment_means(4, 3)


def test_long_sequences_do_not_overflow():
    e = segment_means(3, 10**6)
    np.testing.assert_array_equal(np.count_nonzero(e, axis=1), [333_333, 333_333, 333_334])


@pytest.mark.parametrize("name", LIBRARIES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_segment_means_are_made_in_the_library_and_dtype_that_is_asked_for(name, dtype):
    xp = pytest.importorskip(name)
    got = segment_means(3, 7, xp=xp, dtype=getattr(xp, dtype))
    assert got.dtype == getattr(xp, dtype)
    np.testing.assert_array_equal(np.asarray(got), segment_means(3, 7).astype(dtype))


def test_counting_reads_segments_of_a_length_that_no_memory_would_hold():
    assert segment_means(2**10, 2**40, xp=counting()).shape == (2**10, 2**40)


class TestStridedConvolution:
    @pytest.mark.parametrize("name", LIBRARIES)
    @pytest.mark.parametrize("m", [0, 2, 3, 6, 8])
    def test_every_row_weighs_its_own_run(self, name, m):
        xp = pytest.importorskip(name)
        kernel, x = np.array([0.5, -1.0, 2.0]), np.random.default_rng(0).standard_normal((m, 2))
        e = np.asarray(strided_convolution(xp.asarray(kernel), m, xp=xp))
        assert e.shape == (m // 3, m)
        want = [kernel @ x[start : start + 3] for start in range(0, m // 3 * 3, 3)]
        np.testing.assert_allclose(e @ x, np.reshape(want, (m // 3, 2)), rtol=ROUNDING("float64", 3))

    def test_equal_weights_are_the_segment_means(self):
        np.testing.assert_array_equal(strided_convolution(np.full(4, 0.25), 12, xp=np), segment_means(3, 12))

    def test_heads_may_have_kernels_of_their_own(self):
        kernels = np.random.default_rng(0).standard_normal((2, 3))
        both = strided_convolution(kernels, 7, xp=np)
        for head in range(2):
            np.testing.assert_array_equal(both[head], strided_convolution(kernels[head], 7, xp=np))
