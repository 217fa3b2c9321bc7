"""Facts about the relative positions of T5."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, draw, position, seeds, sizes

from factorattn.position import t5_buckets, t5_relative

like = np.empty(0)


@settings(deadline=None)
@given(
    n=sizes, m=sizes, half=st.integers(2, 20), beyond=st.integers(1, 200), both=st.booleans(),
    offset=st.none() | st.integers(-300, 300), seed=seeds,
)  # fmt: skip
def test_t5_is_the_paper(n, m, half, beyond, both, offset, seed):
    kind = {"distance": half // 2 + beyond, "bidirectional": both}
    (b,) = draw(seed, (3, half * (1 + both)))
    agree(t5_relative(b, n, m, offset=offset, **kind), position.t5_relative(b.tolist(), n, m, offset=offset, **kind), 1)


def bucket(relative, **kind):
    return int(t5_buckets(1, 1, like=like, offset=-relative, **kind)[0, 0])


def test_the_table_of_the_published_models():
    # 32 buckets up to 128, as printed by Mesh TensorFlow's function for key - query.
    behind = {0: 0, -1: 1, -7: 7, -8: 8, -11: 8, -12: 9, -15: 9, -16: 10, -22: 10, -23: 11, -31: 11, -32: 12, -45: 12,
              -46: 13, -63: 13, -64: 14, -90: 14, -91: 15, -127: 15, -128: 15, -5000: 15}  # fmt: skip
    for relative, want in behind.items():
        assert bucket(relative) == want
        assert relative == 0 or bucket(-relative) == want + 16
    causal = {5: 0, 0: 0, -1: 1, -15: 15, -16: 16, -18: 16, -19: 17, -20: 17, -21: 18, -127: 31, -128: 31, -999: 31}
    for relative, want in causal.items():
        assert bucket(relative, bidirectional=False) == want


@given(half=st.integers(2, 40), beyond=st.integers(1, 500), both=st.booleans())
def test_buckets_widen_and_none_is_passed_over_twice(half, beyond, both):
    distance = half // 2 + beyond
    row = t5_buckets(
        1, distance + 50, like=like, buckets=half * (1 + both), distance=distance, bidirectional=both
    )[0, ::-1]  # fmt: skip
    steps = np.diff(row)
    assert np.all(steps >= 0)
    assert row[0] == 0
    assert np.all(np.diff(row[: half // 2]) == 1)
    assert np.all(row[distance:] == half - 1)
    assert np.max(row) < half


def test_boundaries_are_exact():
    # t = 2^k exact of e = 8, D = 128: log ratios are whole numbers, which quotients of logarithms may miss.
    for k, t in enumerate((16, 32, 64)):
        assert bucket(-t) == bucket(-t + 1) + 1 == 10 + 2 * k


def test_bias_is_a_lookup(rng):
    b = rng.standard_normal((2, 32))
    buckets = t5_buckets(40, 30, like=b)
    np.testing.assert_array_equal(t5_relative(b, 40, 30), b[:, buckets])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"buckets": 31}, "buckets must be even and at least 4, got 31"),
        ({"buckets": 2}, "buckets must be even and at least 4"),
        ({"buckets": 1, "bidirectional": False}, "buckets must be at least 2, got 1"),
        ({"distance": 8}, "distance must be above 8, half of the buckets of a side, got 8"),
        ({"n": -1}, "n must be at least 0"),
    ],
)
def test_nonsense_is_refused_by_name(options, words):
    with pytest.raises(ValueError, match=words):
        t5_buckets(**{"n": 2, "m": 2, "like": like, **options})
