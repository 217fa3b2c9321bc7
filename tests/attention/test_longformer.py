"""Facts about Longformer: what is seen, what it costs, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, draw, lists, longformer, seeds, sizes

import factorattn as fa

FORMS = fa.longformer_attention.record.forms


def seen(f, n, **options):
    """Which keys reach which rows: perturb a key's value, see which outputs move (dependence by brute force)."""
    q = k = np.zeros((n, 1))
    return f(q, k, np.eye(n), **options) > 0


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("picks", [(), (0,), (5, 199, 70), [1, 2, 3]])
def test_longformer_sees_window_and_global_tokens_both_ways(form, picks):
    i = np.arange(200)
    central = np.isin(i, picks)
    want = (np.abs(i[:, None] - i) <= 4) | central | central[:, None]
    got = seen(fa.longformer_attention, 200, window=4, global_tokens=picks, form=form)
    np.testing.assert_array_equal(got, want)


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
    ],
)
def test_nonsense_is_refused_by_name(options, words):
    with pytest.raises(ValueError, match=words):
        fa.longformer_attention(*np.ones((3, 6, 4)), **options)


@pytest.mark.parametrize("form", fa.longformer_attention.record.forms)
@settings(deadline=None)
@given(
    n=st.integers(1, 20), d=sizes, e=sizes, w=sizes, seed=seeds, causal=st.booleans(), own=st.booleans(), data=st.data()
)
def test_longformer_attention_is_the_paper(form, n, d, e, w, seed, causal, own, data):
    picks = tuple(data.draw(st.lists(st.integers(0, n - 1), unique=True, max_size=4)))
    q, k, v, *extra = draw(seed, (n, d), (n, d), (n, e), (n, d), (n, d), (n, e))
    own = own and len(picks) > 0  # projections of no tokens are refused
    q_global, k_global, v_global = extra if own else (None, None, None)
    got = fa.longformer_attention(
        q,
        k,
        v,
        window=w,
        global_tokens=picks,
        causal=causal,
        form=form,
        q_global=q_global,
        k_global=k_global,
        v_global=v_global,
    )
    rows = lists(*(extra if own else (q, k, v)))
    want = longformer.longformer_attention(*lists(q, k, v), window=w, global_tokens=picks, own=rows, causal=causal)
    agree(got, want, d + n)
