"""Facts about dilated attention: what is seen, what it costs, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, dilated, draw, lists, seeds, sizes
from pairs import masks, seen

import factorattn as fa
from factorattn import pattern

FORMS = fa.dilated_attention.record.forms


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(("window", "dilation"), [(1, 1), (3, 2), (70, 3), (5, 64), (2, 199), (1, 1000), (1000, 3)])
def test_the_pairs_are_those_of_the_pattern(window, dilation, causal, form):
    options = {"window": window, "dilation": dilation, "causal": causal}
    got = seen(fa.dilated_attention, 200, **options, form=form)
    np.testing.assert_array_equal(got, pattern.dilated(200, **options).dense())


def test_cost_follows_the_pairs_and_not_the_square():
    sizes = {"n": 2**14, "d": 64, "e": 64, "w": 128}
    small, large = (fa.cost(fa.dilated_attention, {**sizes, "n": n}, dilation=4) for n in (2**14, 2**16))
    assert large.flops <= 4 * small.flops
    assert large.peak <= 4 * small.peak
    narrow = fa.cost(fa.dilated_attention, sizes, dilation=1)
    assert small.flops <= narrow.flops  # as wide a view as of 4 w, at the cost of w


@pytest.mark.parametrize("form", FORMS)
def test_with_one_dilation_a_stack_of_layers_sees_one_class_only(form):
    reached = pattern.dilated(60, 2, 3).reach(20)
    i = np.arange(60)
    np.testing.assert_array_equal(reached.dense(), (i[:, None] - i) % 3 == 0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"window": 0}, "window must be a positive integer, got 0"),
        ({"dilation": 0}, "dilation must be at least 1, got 0"),
    ],
)
def test_nonsense_is_refused_by_name(options, words):
    with pytest.raises(ValueError, match=words):
        fa.dilated_attention(*np.ones((3, 6, 4)), **options)


def test_a_dilation_is_an_integer():
    with pytest.raises(TypeError, match=r"dilation must be an integer, got 1\.5"):
        fa.dilated_attention(*np.ones((3, 6, 4)), dilation=1.5)


@pytest.mark.parametrize("form", FORMS)
@settings(deadline=None)
@given(st.integers(1, 20), sizes, sizes, sizes, st.integers(1, 7), seeds, st.booleans(), masks)
def test_dilated_attention_is_the_paper(form, n, d, e, w, dilation, seed, causal, kind):
    q, k, v = draw(seed, (n, d), (n, d), (n, e))
    mask, full = kind(seed, n, n)
    options = {"window": w, "dilation": dilation, "causal": causal}
    got = fa.dilated_attention(q, k, v, **options, mask=mask, form=form)
    agree(got, dilated.dilated_attention(*lists(q, k, v), **options, mask=full), d + n)
