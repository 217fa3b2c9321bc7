"""Facts about rotary positions."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from libraries import LIBRARIES
from oracles import agree, draw, lists, position, seeds

from factorattn.position import rotary
from factorattn.testing import ROUNDING

LAYOUTS = ("interleaved", "halves")
every_library = pytest.mark.parametrize("library", LIBRARIES)


@pytest.mark.parametrize("layout", LAYOUTS)
@settings(deadline=None)
@given(
    n=st.integers(1, 6), d=st.integers(0, 9), seed=seeds, offset=st.integers(-40, 40), base=st.floats(1.5, 1e5),
    data=st.data(),
)  # fmt: skip
def test_rotary_is_the_paper(layout, n, d, seed, offset, base, data):
    (x,) = draw(seed, (n, d))
    size = data.draw(st.none() | st.integers(0, d // 2).map(lambda half: 2 * half))
    got = rotary(x, offset=offset, base=base, size=size, layout=layout)
    want = position.rotary(x.tolist(), offset=offset, base=base, size=size, layout=layout)
    agree(got, np.array(want).reshape(n, d), 1 + (abs(offset) + n) ** 2)  # the angle is rounded, and grows


def test_a_quarter_turn_by_hand():
    x = np.array([[1.0, 2.0, 3.0, 4.0]])
    eps = ROUNDING(np.float64, 1)
    quarter = np.array([math.pi / 2])
    np.testing.assert_allclose(rotary(x, quarter, size=2), [[-2, 1, 3, 4]], rtol=0, atol=eps)
    np.testing.assert_allclose(rotary(x, quarter, base=1.0), [[-2, 1, -4, 3]], rtol=0, atol=4 * eps)
    np.testing.assert_allclose(rotary(x, quarter, base=1.0, layout="halves"), [[-3, -4, 1, 2]], rtol=0, atol=4 * eps)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("size", [None, 4])
def test_products_depend_on_distance_alone(layout, size, rng):
    q, k = rng.standard_normal((2, 8))
    turned = [rotary(np.tile(x, (50, 1)), size=size, layout=layout) for x in (q, k)]
    logits = turned[0] @ turned[1].T
    for t in range(-49, 50):
        assert np.ptp(np.diagonal(logits, t)) <= np.max(np.abs(logits)) * ROUNDING(np.float64, 50**2)
    assert len(np.unique(np.round(logits[0], 9))) == 50


@pytest.mark.parametrize("size", [None, 6])
def test_the_layouts_are_one_rotation_up_to_the_order_of_features(size, rng):
    x = rng.standard_normal((12, 10))
    turning = 10 if size is None else size
    order = [*range(0, turning, 2), *range(1, turning, 2), *range(turning, 10)]
    halves = rotary(x[:, order], size=size, layout="halves")
    np.testing.assert_array_equal(halves, rotary(x, size=size)[:, order])


def test_turning_keeps_lengths_and_back_is_back(rng):
    x = rng.standard_normal((7, 6))
    turned = rotary(x, offset=100)
    norms = [np.linalg.norm(a, axis=-1) for a in (turned, x)]
    np.testing.assert_allclose(*norms, rtol=ROUNDING(np.float64, 6))
    back = rotary(turned, -np.arange(100.0, 107.0))
    assert np.max(np.abs(back - x)) <= np.max(np.abs(x)) * ROUNDING(np.float64, 107**2)


def test_an_odd_last_feature_and_those_beyond_size_stay(rng):
    x = rng.standard_normal((4, 7))
    np.testing.assert_array_equal(rotary(x)[:, 6], x[:, 6])
    np.testing.assert_array_equal(rotary(x, size=2)[:, 2:], x[:, 2:])
    np.testing.assert_array_equal(rotary(x, size=0), x)


def test_positions_say_where_rows_are_and_broadcast_over_heads(rng):
    x = rng.standard_normal((2, 3, 5, 4))
    places = np.array([[0.0, 1, 2, 0, 1], [7, 8, 9, 10, 11]])  # two packed sequences; one that is continued
    got = rotary(x, places[:, None, :])
    for batch, row in np.ndindex(2, 5):
        alone = rotary(x[batch, :, row : row + 1], offset=int(places[batch, row]))
        np.testing.assert_array_equal(got[batch, :, row : row + 1], alone)
    np.testing.assert_array_equal(rotary(x[1], places[1]), rotary(x[1], offset=7))


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "int64", "float32"])
def test_positions_may_be_integers(dtype, rng):
    x = rng.standard_normal((3, 6))
    np.testing.assert_array_equal(rotary(x, np.array([7, 8, 9], dtype=dtype)), rotary(x, offset=7))


@every_library
@pytest.mark.parametrize("kind", ["int64", "float64"])
def test_far_positions_are_not_rounded_to_the_dtype_of_x(library, kind, rng):
    # float16 has no 2049, and ends at 65504.
    xp = pytest.importorskip(library)
    small = np.float16 if hasattr(xp, "float16") else np.float32
    x = rng.standard_normal((2, 8)).astype(small)
    places = xp.asarray([2049, 70000], dtype=getattr(xp, kind))
    got = np.asarray(rotary(xp.asarray(x), places))
    assert got.dtype == small
    for row, place in enumerate((2049, 70000)):
        np.testing.assert_array_equal(got[row : row + 1], rotary(x[row : row + 1], offset=place))


@pytest.mark.parametrize("dtype", [bool, complex])
def test_positions_that_are_no_numbers_of_places_are_refused(dtype):
    with pytest.raises(TypeError, match="positions must have an integral or real floating dtype, got"):
        rotary(np.ones((3, 4)), np.ones(3, dtype=dtype))
    with pytest.raises(TypeError, match="positions must be an array"):
        rotary(np.ones((3, 4)), [0, 1, 2])


def test_far_positions_keep_their_digits_in_float32(rng):
    x = rng.standard_normal((3, 64)).astype(np.float32)
    want = np.array(position.rotary(*lists(x.astype(np.float64)), offset=10**6))
    assert np.max(np.abs(rotary(x, offset=10**6) - want)) <= np.max(np.abs(want)) * ROUNDING(np.float32, 2)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"size": 3}, r"size must be an even number in 0 \.\. 4, got 3"),
        ({"size": 6}, "size must be an even number"),
        ({"size": -2}, "size must be an even number"),
        ({"layout": "mixed"}, "layout must be 'interleaved' or 'halves'"),
        ({"base": -1.0}, "base must be positive"),
        ({"positions": np.zeros(3), "offset": 1}, "offset must be 0 where positions are given"),
        ({"positions": np.zeros(4)}, "axis 'n' is 3"),
    ],
)
def test_nonsense_is_refused_by_name(options, words):
    with pytest.raises(ValueError, match=words):
        rotary(np.ones((3, 4)), **options)
