"""Facts about structured self-attention: hops, and the penalty on hops that agree."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, draw, lists, seeds, sizes, structured

import factorattn as fa
from factorattn.attention.levels.structured import redundancy_penalty
from factorattn.testing import ROUNDING

FORMS = fa.structured_attention.record.forms


@pytest.mark.parametrize("form", FORMS)
@settings(deadline=None)
@given(n=sizes, c=sizes, a=sizes, r=sizes, seed=seeds, masked=st.booleans())
def test_structured_attention_is_the_paper(form, n, c, a, r, seed, masked):
    h, w_s1, w_s2 = draw(seed, (n, c), (a, c), (r, a))
    mask = np.random.default_rng(seed).random((r, n)) < 0.6 if masked else np.ones((r, n), dtype=bool)
    got, weights = fa.structured_attention(h, w_s1, w_s2, mask=mask if masked else None, return_weights=True, form=form)
    annotation, matrix = structured.structured_attention(*lists(h, w_s1, w_s2), seen=lambda i, j: mask[i, j])
    agree(got, matrix, n + c + a)
    agree(weights, annotation, n + c + a)
    agree(redundancy_penalty(weights), structured.redundancy_penalty(annotation), n + r)


@pytest.mark.parametrize("form", FORMS)
def test_tiles_are_joined(form, rng):
    h, w_s1, w_s2 = (rng.standard_normal(shape) for shape in ((2100, 3), (4, 3), (2, 4)))
    mask = rng.random((2, 2100)) < 0.6
    got, weights = fa.structured_attention(h, w_s1, w_s2, mask=mask, return_weights=True, form=form)
    annotation, matrix = structured.structured_attention(*lists(h, w_s1, w_s2), seen=lambda i, j: mask[i, j])
    agree(got, matrix, 2100)
    agree(weights, annotation, 2100)


@pytest.mark.parametrize("form", FORMS)
def test_without_scores_every_hop_is_the_mean(form, rng):
    h = rng.standard_normal((6, 4))
    got = fa.structured_attention(h, rng.standard_normal((3, 4)), np.zeros((2, 3)), form=form)
    np.testing.assert_allclose(got, [h.mean(axis=0)] * 2, atol=np.max(np.abs(h)) * ROUNDING(np.float64, 6))


@pytest.mark.parametrize("form", FORMS)
def test_scores_of_any_size_make_hops_that_look_at_one_place(form):
    h = np.array([[9.0, 0.0], [0.0, 9.0], [0.0, 0.0]])
    got, weights = fa.structured_attention(h, np.eye(2), 1e6 * np.eye(2), return_weights=True, form=form)
    np.testing.assert_array_equal(got, h[:2])
    assert redundancy_penalty(weights) == 0


def test_the_penalty_counts_pairs_of_hops_that_agree():
    same = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    assert redundancy_penalty(same) == 6  # of 9 pairs all but the hops with themselves
    assert redundancy_penalty(np.full((1, 4), 0.25)) == (0.25 - 1) ** 2  # one hop that is spread out
    assert redundancy_penalty(np.stack([same, same])).shape == (2,)


@pytest.mark.parametrize("form", FORMS)
def test_padding_is_hidden_and_a_hop_that_sees_nothing_is_zero(form, rng):
    h, w_s1, w_s2 = (rng.standard_normal(shape) for shape in ((8, 4), (3, 4), (2, 3)))
    want = fa.structured_attention(h[:5], w_s1, w_s2, form=form)
    h[5:] = np.nan
    mask = np.arange(8)[None, :] < 5
    got = fa.structured_attention(h, w_s1, w_s2, mask=mask, form=form)
    assert np.max(np.abs(got - want)) <= np.max(np.abs(want)) * ROUNDING(np.float64, 8)
    none, weights = fa.structured_attention(
        h, w_s1, w_s2, mask=mask & np.array([[False], [True]]), return_weights=True, form=form
    )
    np.testing.assert_array_equal(none[0], 0.0)
    np.testing.assert_array_equal(weights[0], 0.0)
    np.testing.assert_array_equal(weights[:, 5:], 0.0)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"causal": True}, ValueError, "takes no causal"),
        ({"w_s2": np.ones((2, 4))}, ValueError, "axis 'a' is 3"),
        ({"mask": np.ones((6, 2), dtype=bool)}, ValueError, r"mask must broadcast to \(\.\.\., 2, 6\)"),
        ({"mask": np.ones((3, 1, 6), dtype=bool), "h": np.ones((2, 6, 4))}, ValueError, "batch axes must broadcast"),
        ({"return_weights": "yes"}, TypeError, "return_weights must be True or False"),
    ],
)
def test_nonsense_is_refused_by_name(options, error, words):
    arguments = {"h": np.ones((6, 4)), "w_s1": np.ones((3, 4)), "w_s2": np.ones((2, 3))}
    with pytest.raises(error, match=words):
        fa.structured_attention(**{**arguments, **options})
