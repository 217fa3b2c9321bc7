"""Facts about relative position representations."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, draw, lists, position, seeds, sizes

from factorattn import cost, softmax_attention
from factorattn.position import shaw_relative, shaw_values
from factorattn.testing import ROUNDING

FORMS = ("explicit", "product")
offsets = st.none() | st.integers(-12, 12)


@pytest.mark.parametrize("form", FORMS)
@settings(deadline=None)
@given(n=sizes, m=sizes, d=sizes, k=st.integers(0, 9), seed=seeds, offset=offsets, scale=st.none() | st.floats(-2, 2))
def test_shaw_relative_is_the_paper(form, n, m, d, k, seed, offset, scale):
    q, a = draw(seed, (n, d), (2 * k + 1, d))
    got = shaw_relative(q, a, m, scale=scale, offset=offset, form=form)
    agree(got, position.shaw_relative(*lists(q, a), m, scale=scale, offset=offset), d)


@pytest.mark.parametrize("form", FORMS)
@settings(deadline=None)
@given(n=sizes, m=sizes, e=sizes, k=st.integers(0, 9), seed=seeds, offset=offsets)
def test_shaw_values_is_the_paper(form, n, m, e, k, seed, offset):
    p, a = draw(seed, (n, m), (2 * k + 1, e))
    agree(shaw_values(p, a, offset=offset, form=form), position.shaw_values(*lists(p, a), offset=offset), m)


@pytest.mark.parametrize("form", FORMS)
def test_with_both_terms_attention_is_that_to_vectors_of_pairs(form, rng):
    n, d, e, k = 9, 4, 3, 2
    q, key, v, a_k, a_v = (
        rng.standard_normal(shape) for shape in ((n, d), (n, d), (n, e), (2 * k + 1, d), (2 * k + 1, e))
    )
    p = softmax_attention(q, key, np.eye(n), bias=shaw_relative(q, a_k, n, form=form))
    got = p @ v + shaw_values(p, a_v, form=form)
    row = np.clip(np.arange(n) - np.arange(n)[:, None], -k, k) + k
    logits = np.einsum("id,ijd->ij", q, key + a_k[row]) / d**0.5
    weights = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    want = np.einsum("ij,ije->ie", weights, v + a_v[row])
    assert np.max(np.abs(got - want)) <= np.max(np.abs(want)) * ROUNDING(np.float64, n)


def test_distances_beyond_the_reach_are_alike_by_hand():
    a = np.array([[1.0], [2.0], [3.0]])
    want = [[2, 3, 3, 3], [1, 2, 3, 3], [1, 1, 2, 3], [1, 1, 1, 2]]
    np.testing.assert_array_equal(shaw_relative(np.ones((4, 1)), a, 4), want)
    np.testing.assert_array_equal(shaw_values(np.eye(4), a), np.full((4, 1), 2.0))


def test_no_vector_is_gathered_for_a_pair():
    sizes = {"n": 512, "m": 512, "r": 33, "d": 64, "e": 64}
    for f in (shaw_relative, shaw_values):
        folded, explicit = (cost(f, sizes, form=form) for form in ("product", "explicit"))
        assert folded.peak * 4 < explicit.peak
        assert folded.flops * 4 < explicit.flops


def test_nonsense_is_refused_by_name():
    with pytest.raises(ValueError, match=r"a must have an odd number of rows, for distances -k \.\.\. k, got 4"):
        shaw_relative(np.ones((3, 2)), np.ones((4, 2)), 3)
    with pytest.raises(ValueError, match="an odd number of rows"):
        shaw_values(np.ones((3, 2)), np.ones((4, 2)))
    with pytest.raises(ValueError, match="form must be 'explicit' or 'product'"):
        shaw_values(np.ones((3, 2)), np.ones((3, 2)), form="skew")
    with pytest.raises(ValueError, match="m must be at least 0"):
        shaw_relative(np.ones((3, 2)), np.ones((3, 2)), -1)
