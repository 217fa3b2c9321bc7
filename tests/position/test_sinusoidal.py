"""Facts about sinusoidal positions."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, position

from factorattn.position import sinusoidal
from factorattn.testing import ROUNDING

LAYOUTS = ("interleaved", "halves", "tensor2tensor")
like = np.empty(0)


@pytest.mark.parametrize("layout", LAYOUTS)
@settings(deadline=None)
@given(n=st.integers(0, 7), d=st.integers(0, 9), offset=st.integers(-50, 50), base=st.floats(1.5, 1e5))
def test_sinusoidal_is_the_paper(layout, n, d, offset, base):
    got = sinusoidal(n, d, like=like, offset=offset, base=base, layout=layout)
    want = position.sinusoidal(n, d, offset=offset, base=base, layout=layout)
    agree(got, np.array(want).reshape(n, d), max(n, d) + offset**2)  # the angle is rounded, and grows with position


def test_the_first_rows_by_hand():
    table = sinusoidal(2, 4, like=like)
    np.testing.assert_array_equal(table[0], [0, 1, 0, 1])
    np.testing.assert_allclose(
        table[1], [math.sin(1), math.cos(1), math.sin(0.01), math.cos(0.01)], rtol=ROUNDING(np.float64, 1)
    )


def test_tensor2tensor_ends_at_the_longest_wavelength_and_the_paper_does_not():
    ends = {layout: math.asin(sinusoidal(2, 8, like=like, layout=layout)[1, 3]) for layout in LAYOUTS[1:]}
    assert math.isclose(ends["tensor2tensor"], 1e-4, rel_tol=ROUNDING(np.float64, 1))
    assert math.isclose(ends["halves"], 1e-3, rel_tol=ROUNDING(np.float64, 1))
    assert not sinusoidal(5, 9, like=like, layout="tensor2tensor")[:, -1].any()


def test_halves_are_the_same_columns_in_another_order():
    for d in (6, 7):
        order = [*range(0, d, 2), *range(1, d, 2)]
        both = [sinusoidal(9, d, like=like, layout=layout) for layout in LAYOUTS[:2]]
        np.testing.assert_array_equal(both[0][:, order], both[1])


@pytest.mark.parametrize("shift", [1, 7, -3])
def test_a_shift_is_a_linear_map_whatever_the_position(shift):
    # The map is found from eight rows and must then hold for rows elsewhere.
    d = 8
    near, far = (sinusoidal(d, d, like=like, offset=start) for start in (0, 5000))
    shifted = [sinusoidal(d, d, like=like, offset=start + shift, base=10000.0) for start in (0, 5000)]
    rotation = np.zeros((d, d))
    for i in range(d // 2):
        a = shift * 10000 ** (-2 * i / d)
        rotation[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = [[math.cos(a), -math.sin(a)], [math.sin(a), math.cos(a)]]
    for rows, moved in ((near, shifted[0]), (far, shifted[1])):
        assert np.max(np.abs(rows @ rotation - moved)) <= ROUNDING(np.float64, 5000**2)


def test_inner_products_depend_on_distance_alone():
    e = sinusoidal(60, 16, like=like)
    gram = e @ e.T
    for t in range(60):
        assert np.ptp(np.diagonal(gram, t)) <= 8 * ROUNDING(np.float64, 60**2)


def test_far_positions_keep_their_digits_in_float32():
    far = 10**6
    table = sinusoidal(3, 64, like=np.empty(0, dtype=np.float32), offset=far)
    assert table.dtype == np.float32
    want = np.array(position.sinusoidal(3, 64, offset=far))
    assert np.max(np.abs(table - want)) <= ROUNDING(np.float32, 1)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"layout": "mixed"}, ValueError, "layout must be 'interleaved' or 'halves' or 'tensor2tensor', got 'mixed'"),
        ({"base": 0}, ValueError, "base must be positive, got 0"),
        ({"offset": 0.5}, TypeError, "offset must be an integer"),
        ({"n": -1}, ValueError, "n must be at least 0"),
        ({"d": -1}, ValueError, "d must be at least 0"),
        ({"like": [1.0]}, TypeError, "like must be an array"),
    ],
)
def test_nonsense_is_refused_by_name(options, error, words):
    with pytest.raises(error, match=words):
        sinusoidal(**{"n": 2, "d": 4, "like": like, **options})
