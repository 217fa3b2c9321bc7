"""Facts about axial attention: what is seen, what it costs, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, axial, draw, lists, seeds, sizes
from pairs import seen

import factorattn as fa
from factorattn import pattern

FORMS = fa.axial_attention.record.forms
axes = st.sampled_from(["row", "column"])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("axis", ["row", "column"])
@pytest.mark.parametrize("causal", [False, True])
def test_the_pairs_are_those_of_the_pattern(axis, causal, form):
    want = pattern.axial(13, 11, axis)
    got = seen(fa.axial_attention, 13, 11, axis=axis, causal=causal, form=form)
    np.testing.assert_array_equal(got, (want.causal() if causal else want).dense())


def test_two_layers_see_the_grid():
    assert pattern.receptive_field([pattern.axial(5, 7, axis) for axis in ("row", "column")]) == pattern.full(35)


def test_cost_is_that_of_the_lines():
    sizes = {"x": 256, "y": 256, "d": 64, "e": 64}
    for axis, line in (("row", "y"), ("column", "x")):
        small, long, more = (
            fa.cost(fa.axial_attention, {**sizes, **other}, axis=axis)
            for other in ({}, {line: 512}, {"x": 512, "y": 512})
        )
        assert long.flops <= 4 * small.flops
        assert more.flops == 2 * long.flops
        assert more.peak <= 4 * small.peak


@pytest.mark.parametrize("form", FORMS)
def test_each_line_may_have_a_mask_of_its_own(form, rng):
    q, k, v = rng.standard_normal((3, 4, 5, 2))
    mask = rng.random((4, 5, 5)) < 0.7
    rows = fa.axial_attention(q, k, v, mask=mask, form=form)
    turned = fa.axial_attention(*(x.swapaxes(0, 1) for x in (q, k, v)), axis="column", mask=mask, form=form)
    np.testing.assert_array_equal(rows, turned.swapaxes(0, 1))
    for row in range(4):
        want = fa.softmax_attention(q[row], k[row], v[row], mask=mask[row], form="dense")
        agree(rows[row], want, 7)


def test_a_grid_without_positions_has_no_answers():
    for shape in ((0, 5), (5, 0), (0, 0)):
        for form in FORMS:
            assert fa.axial_attention(*np.ones((3, *shape, 2)), form=form).shape == (*shape, 2)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"axis": "both"}, "axis must be 'row' or 'column', got 'both'"),
        ({"mask": np.ones((2, 2), dtype=bool)}, r"mask must broadcast to \(..., 3, 3\), got shape \(2, 2\)"),
    ],
)
def test_nonsense_is_refused_by_name(options, words):
    with pytest.raises(ValueError, match=words):
        fa.axial_attention(*np.ones((3, 2, 3, 4)), **options)


@pytest.mark.parametrize("form", FORMS)
@settings(deadline=None)
@given(x=sizes, y=sizes, d=sizes, e=sizes, axis=axes, causal=st.booleans(), seed=seeds, masked=st.booleans())
def test_axial_attention_is_the_paper(form, x, y, d, e, axis, causal, seed, masked):
    q, k, v = draw(seed, (x, y, d), (x, y, d), (x, y, e))
    lines, places = (x, y) if axis == "row" else (y, x)
    mask = np.random.default_rng(seed).random((lines, places, places)) < 0.7 if masked else None
    got = fa.axial_attention(q, k, v, axis=axis, causal=causal, mask=mask, form=form)
    want = axial.axial_attention(*lists(q, k, v), axis=axis, causal=causal, mask=lists(mask)[0])
    agree(got, want, d + places)
