"""Facts about fixed attention: what is seen, what it costs, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, draw, fixed, lists, seeds, sizes
from pairs import masks, seen

import factorattn as fa
from factorattn import pattern

FORMS = fa.fixed_attention.record.forms
parts = st.sampled_from(["merged", "local", "summary"])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("part", ["merged", "local", "summary"])
@pytest.mark.parametrize(
    ("stride", "summary"), [(1, 1), (2, 1), (14, 3), (64, 8), (64, 64), (8, 9), (199, 2), (201, 2), (1000, 900)]
)
def test_the_pairs_are_those_of_the_pattern(stride, summary, part, form):
    options = {"stride": stride, "summary": summary, "part": part}
    got = seen(fa.fixed_attention, 200, **options, form=form)
    np.testing.assert_array_equal(got, pattern.fixed(200, **options).dense())


def test_a_picture_of_the_paper():
    assert str(pattern.fixed(6, 3, 1)) == "#-----\n##----\n###---\n--##--\n--###-\n--####"


def test_an_example_of_the_paper():
    """Stride 128 and c = 8: positions after 128 see 120 to 127, those after 256 also 248 to 255."""
    p = pattern.fixed(400, 128, 8, part="summary")
    assert p.rows()[130].tolist() == list(range(120, 128))
    assert p.rows()[300].tolist() == [*range(120, 128), *range(248, 256)]


def test_at_the_root_of_the_length_the_cost_is_n_to_the_three_halves():
    """Four times the length, twice the stride: eight times the operations."""
    at = {"n": 2**14, "d": 64, "e": 64, "w": 2**7}
    small, large = (
        fa.cost(fa.fixed_attention, {**at, "n": n, "w": w}, summary=1) for n, w in ((2**14, 2**7), (2**16, 2**8))
    )
    assert large.flops <= 8 * small.flops
    assert large.peak <= 4 * small.peak
    assert 16 * small.flops < fa.cost(fa.fixed_attention, at, form="dense").flops


@pytest.mark.parametrize("form", FORMS)
def test_before_the_first_summary_a_head_of_summaries_sees_nothing(form, rng):
    out = fa.fixed_attention(*rng.standard_normal((3, 12, 2)), stride=4, summary=1, part="summary", form=form)
    np.testing.assert_array_equal(out[:3], 0)
    assert np.all(out[3:] != 0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"stride": 0}, "stride must be a positive integer, got 0"),
        ({"summary": 0}, "summary must be at least 1, got 0"),
        ({"part": "strided"}, "part must be 'merged' or 'local' or 'summary', got 'strided'"),
    ],
)
def test_nonsense_is_refused_by_name(options, words):
    with pytest.raises(ValueError, match=words):
        fa.fixed_attention(*np.ones((3, 6, 4)), **options)


@pytest.mark.parametrize("form", FORMS)
@settings(deadline=None)
@given(n=st.integers(1, 20), d=sizes, e=sizes, stride=st.integers(1, 25), c=sizes, part=parts, seed=seeds, kind=masks)
def test_fixed_attention_is_the_paper(form, n, d, e, stride, c, part, seed, kind):
    q, k, v = draw(seed, (n, d), (n, d), (n, e))
    mask, full = kind(seed, n, n)
    options = {"stride": stride, "summary": c, "part": part}
    got = fa.fixed_attention(q, k, v, **options, mask=mask, form=form)
    agree(got, fixed.fixed_attention(*lists(q, k, v), **options, mask=full), d + n)
