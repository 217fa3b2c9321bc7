"""Facts about local 2-D attention: what is seen, what it costs, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, draw, lists, local_2d, seeds, sizes
from pairs import masks, seen

import factorattn as fa
from factorattn import pattern

FORMS = fa.local_2d_attention.record.forms
margins = st.integers(0, 7)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(
    ("block", "memory"),
    [((1, 1), (0, 0)), ((1, 1), (2, 1)), ((4, 5), (1, 3)), ((5, 4), (6, 2)), ((13, 2), (0, 3)), ((30, 30), (30, 30))],
)
def test_the_pairs_are_those_of_the_pattern(block, memory, causal, form):
    options = {"block": block, "memory": memory, "causal": causal}
    got = seen(fa.local_2d_attention, 13, 11, **options, form=form)
    np.testing.assert_array_equal(got, pattern.local_2d(13, 11, **options).dense())


def test_what_a_position_sees_while_an_image_is_made():
    """A rectangle of 2 x 2 with a margin of one: all that is above and left, and of its own what was made."""
    p = pattern.local_2d(4, 6, (2, 2), (1, 1), causal=True)
    grid = np.zeros((4, 6), dtype=bool)
    grid.ravel()[p.rows()[2 * 6 + 3]] = True  # the upper right of the middle rectangle below
    want = ["......", ".####.", ".###..", ".#...."]
    assert ["".join(".#"[here] for here in line) for line in grid.astype(int)] == want


@pytest.mark.parametrize("causal", [False, True])
def test_cost_follows_the_positions_and_not_their_square(causal):
    sizes = {"x": 128, "y": 128, "d": 64, "e": 64}
    small, large = (fa.cost(fa.local_2d_attention, {**sizes, "x": x}, causal=causal) for x in (128, 512))
    assert large.flops <= 4 * small.flops
    assert large.peak <= 4 * small.peak
    wide = fa.cost(fa.local_2d_attention, {**sizes, "y": 512}, causal=causal)
    assert wide.flops <= 4 * small.flops


def test_a_grid_without_positions_has_no_answers():
    for shape in ((0, 5), (5, 0), (0, 0)):
        for form in FORMS:
            assert fa.local_2d_attention(*np.ones((3, *shape, 2)), form=form).shape == (*shape, 2)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"block": (0, 1)}, "block must be at least 1, got 0"),
        ({"block": 3}, r"block must be a pair \(rows, columns\), got 3"),
        ({"memory": (1, -1)}, "memory must be at least 0, got -1"),
        ({"memory": (1, 2, 3)}, r"memory must be a pair \(rows, columns\), got \(1, 2, 3\)"),
        ({"mask": np.ones((2, 3), dtype=bool)}, r"mask must broadcast to \(..., 6, 6\), got shape \(2, 3\)"),
    ],
)
def test_nonsense_is_refused_by_name(options, words):
    with pytest.raises(ValueError, match=words):
        fa.local_2d_attention(*np.ones((3, 2, 3, 4)), **options)


@pytest.mark.parametrize("form", FORMS)
@settings(deadline=None)
@given(
    st.tuples(sizes, sizes), sizes, sizes, st.tuples(sizes, sizes), st.tuples(margins, margins), seeds, st.booleans(),
    masks,
)  # fmt: skip
def test_local_2d_attention_is_the_paper(form, grid, d, e, block, memory, seed, causal, kind):
    q, k, v = draw(seed, (*grid, d), (*grid, d), (*grid, e))
    n = grid[0] * grid[1]
    mask, full = kind(seed, n, n)
    options = {"block": block, "memory": memory, "causal": causal}
    got = fa.local_2d_attention(q, k, v, **options, mask=mask, form=form)
    agree(got, local_2d.local_2d_attention(*lists(q, k, v), **options, mask=full), d + n)
