"""Facts about strided attention: what is seen, what it costs, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, draw, lists, seeds, sizes, strided
from pairs import masks, seen

import factorattn as fa
from factorattn import pattern

FORMS = fa.strided_attention.record.forms
parts = st.sampled_from(["merged", "local", "strided"])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("part", ["merged", "local", "strided"])
@pytest.mark.parametrize("stride", [1, 2, 14, 63, 64, 70, 199, 200, 1000])
def test_the_pairs_are_those_of_the_pattern(stride, part, form):
    got = seen(fa.strided_attention, 200, stride=stride, part=part, form=form)
    np.testing.assert_array_equal(got, pattern.strided(200, stride, part=part).dense())


def test_a_picture_of_the_paper():
    assert str(pattern.strided(6, 2)) == "#-----\n##----\n###---\n-###--\n#-###-\n-#-###"


def test_at_the_root_of_the_length_the_cost_is_n_to_the_three_halves():
    """Four times the length, twice the stride: eight times the operations."""
    sizes = {"n": 2**14, "d": 64, "e": 64, "w": 2**7}
    small, large = (fa.cost(fa.strided_attention, {**sizes, "n": n, "w": w}) for n, w in ((2**14, 2**7), (2**16, 2**8)))
    assert large.flops <= 8 * small.flops
    assert large.peak <= 4 * small.peak
    dense = fa.cost(fa.strided_attention, sizes, form="dense")
    assert 16 * small.flops < dense.flops


def test_keys_in_both_sets_count_once():
    """With l = 1 both sets overlap as much as they can: all weights are alike."""
    v = np.arange(5.0)[:, None]
    for form in FORMS:
        got = fa.strided_attention(np.zeros((5, 1)), np.zeros((5, 1)), v, stride=1, form=form)
        np.testing.assert_allclose(got[:, 0], [0, 0.5, 1, 1.5, 2])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"stride": 0}, "stride must be a positive integer, got 0"),
        ({"part": "summary"}, "part must be 'merged' or 'local' or 'strided', got 'summary'"),
    ],
)
def test_nonsense_is_refused_by_name(options, words):
    with pytest.raises(ValueError, match=words):
        fa.strided_attention(*np.ones((3, 6, 4)), **options)


@pytest.mark.parametrize("form", FORMS)
@settings(deadline=None)
@given(n=st.integers(1, 20), d=sizes, e=sizes, stride=st.integers(1, 25), part=parts, seed=seeds, kind=masks)
def test_strided_attention_is_the_paper(form, n, d, e, stride, part, seed, kind):
    q, k, v = draw(seed, (n, d), (n, d), (n, e))
    mask, full = kind(seed, n, n)
    got = fa.strided_attention(q, k, v, stride=stride, part=part, mask=mask, form=form)
    agree(got, strided.strided_attention(*lists(q, k, v), stride=stride, part=part, mask=full), d + n)
