"""Facts about axial positions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, draw, lists, position, seeds, sizes

from factorattn.position import axial


@settings(deadline=None)
@given(x=sizes, y=sizes, f=sizes, g=sizes, seed=seeds, combine=st.sampled_from(["concat", "sum"]), data=st.data())
def test_axial_is_the_paper(x, y, f, g, seed, combine, data):
    e_1, e_2 = draw(seed, (x, f), (y, f if combine == "sum" else g))
    offset = data.draw(st.integers(0, x * y))
    length = data.draw(st.integers(0, x * y - offset))
    got = axial(e_1, e_2, length, offset=offset, combine=combine)
    want = position.axial(*lists(e_1, e_2), length, offset=offset, combine=combine)
    agree(got, np.array(want).reshape(got.shape), 1)
    np.testing.assert_array_equal(got, axial(e_1, e_2, combine=combine)[offset : offset + length])


def test_positions_run_along_rows():
    e_1, e_2 = np.array([[1.0], [2.0]]), np.array([[10.0], [20.0], [30.0]])
    want = [[1, 10], [1, 20], [1, 30], [2, 10], [2, 20], [2, 30]]
    np.testing.assert_array_equal(axial(e_1, e_2), want)
    np.testing.assert_array_equal(axial(e_1, e_2, combine="sum")[:, 0], np.sum(want, axis=1))


def test_no_two_positions_are_alike():
    e_1, e_2 = draw(0, (7, 2), (5, 3))
    assert len(np.unique(axial(e_1, e_2), axis=0)) == 35


@pytest.mark.parametrize("combine", ["concat", "sum"])
@pytest.mark.parametrize(("x", "y"), [(4, 6), (5, 5), (1, 7)])
def test_however_wide_the_rank_is_that_of_the_two_axes(combine, x, y):
    e_1, e_2 = draw(0, (x, 40), (y, 40))
    assert np.linalg.matrix_rank(axial(e_1, e_2, combine=combine)) == x + y - 1


def test_the_numbers_of_half_a_million_positions():
    # grid 2^9 x 2^10, width 2^10 in two halves: what the documentation of Hugging Face's Reformer counts
    x, y, f, g = 2**9, 2**10, 2**9, 2**9
    assert (x * y, f + g) == (2**19, 2**10)
    assert x * f + y * g == 2**18 + 2**19 == 786_432
    assert x * y * (f + g) == 2**29 == 536_870_912


def test_one_position_of_many_costs_one_row():
    e_1, e_2 = draw(0, (300, 2), (400, 2))
    np.testing.assert_array_equal(axial(e_1, e_2, 1, offset=54_321)[0], [*e_1[135], *e_2[321]])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"length": 7}, r"the grid holds positions 0 \.\. 5, asked for 0 \.\. 6"),
        ({"offset": 7}, "asked for 7"),
        ({"offset": -1}, "asked for -1"),
        ({"length": -1}, "length must be at least 0"),
        ({"combine": "product"}, "combine must be 'concat' or 'sum', got 'product'"),
        ({"combine": "sum"}, "the sum needs tables of one width, got 2 and 3"),
    ],
)
def test_nonsense_is_refused_by_name(options, words):
    with pytest.raises(ValueError, match=words):
        axial(np.ones((2, 2)), np.ones((3, 3)), **options)
