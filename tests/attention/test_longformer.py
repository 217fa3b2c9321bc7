"""Facts about Longformer: what is seen, what it costs, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, draw, lists, longformer, seeds, sizes
from pairs import masks, seen

import factorattn as fa
from factorattn import pattern

FORMS = fa.longformer_attention.record.forms


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("picks", [(), (0,), (5, 199, 70), [1, 2, 3]])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(("window", "dilation"), [(4, 1), (4, 7), (70, 2)])
def test_longformer_sees_window_and_global_tokens_both_ways(form, picks, window, dilation, causal):
    options = {"window": window, "dilation": dilation, "causal": causal, "global_tokens": picks}
    got = seen(fa.longformer_attention, 200, **options, form=form)
    np.testing.assert_array_equal(got, pattern.longformer(200, **options).dense())


@pytest.mark.parametrize("form", FORMS)
def test_global_rows_use_their_own_projections(form, rng):
    q, k, v, *own = rng.standard_normal((6, 90, 4))
    names = dict(zip(("q_global", "k_global", "v_global"), own, strict=True))
    plain, mixed = (
        fa.longformer_attention(q, k, v, window=3, global_tokens=(2, 50), form=form, **extra) for extra in ({}, names)
    )
    rows = np.isin(np.arange(90), (2, 50))
    np.testing.assert_array_equal(plain[~rows], mixed[~rows])
    assert not np.any(plain[rows] == mixed[rows])


def test_cost_follows_the_pairs_and_not_the_square():
    sizes = {"n": 2**14, "d": 64, "e": 64, "w": 128, "g": 2}
    small, large = fa.cost(fa.longformer_attention, sizes), fa.cost(fa.longformer_attention, {**sizes, "n": 2**16})
    assert large.flops <= 4 * small.flops
    assert large.peak <= 4 * small.peak


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"global_tokens": (1, 1)}, r"global_tokens must be distinct integers in 0 \.\. 5"),
        ({"global_tokens": (6,)}, r"distinct integers in 0 \.\. 5, got \(6,\)"),
        ({"global_tokens": (-1,)}, "distinct integers"),
        ({"global_tokens": 3}, "distinct integers"),
        ({"global_tokens": (), "q_global": np.ones((6, 4))}, "and there are none"),
        ({"k_global": np.ones((5, 4))}, "axis 'n' is 6"),
        ({"dilation": 0}, "dilation must be at least 1, got 0"),
    ],
)
def test_nonsense_is_refused_by_name(options, words):
    with pytest.raises(ValueError, match=words):
        fa.longformer_attention(*np.ones((3, 6, 4)), **options)


@pytest.mark.parametrize("form", fa.longformer_attention.record.forms)
@settings(deadline=None)
@given(
    st.integers(1, 20), sizes, sizes, sizes, st.integers(1, 4), seeds, st.booleans(), st.booleans(), masks, st.data()
)
def test_longformer_attention_is_the_paper(form, n, d, e, w, dilation, seed, causal, own, kind, data):
    picks = tuple(data.draw(st.lists(st.integers(0, n - 1), unique=True, max_size=4)))
    q, k, v, *extra = draw(seed, (n, d), (n, d), (n, e), (n, d), (n, d), (n, e))
    own = own and len(picks) > 0  # projections of no tokens are refused
    mask, full = kind(seed, n, n)
    projected = dict(zip(("q_global", "k_global", "v_global"), extra if own else (None, None, None), strict=True))
    options = {"window": w, "dilation": dilation, "global_tokens": picks, "causal": causal}
    got = fa.longformer_attention(q, k, v, **options, **projected, mask=mask, form=form)
    rows = lists(*(extra if own else (q, k, v)))
    agree(got, longformer.longformer_attention(*lists(q, k, v), **options, own=rows, mask=full), d + n)
