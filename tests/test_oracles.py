"""Is it the paper? Every mechanism, in every form, against plain Python loops written from the paper's indices."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import linear, linformer, longformer, lowrank, performer, softmax, window

import factorattn as fa
from factorattn.testing import ROUNDING

sizes = st.integers(1, 7)
seeds = st.integers(0, 2**32 - 1)


def draw(seed, *shapes):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape) for shape in shapes]


def agree(got, want, length):
    want = np.array(want)
    assert got.shape == want.shape
    finite = np.isfinite(want)
    np.testing.assert_array_equal(got[~finite], want[~finite])
    scale = max(1.0, np.max(np.abs(want[finite]), initial=0.0))
    assert np.max(np.abs(got[finite] - want[finite]), initial=0.0) <= scale * ROUNDING(got.dtype, length)


def lists(*arrays):
    return [x if x is None else x.tolist() for x in arrays]


@pytest.mark.parametrize("form", fa.softmax_attention.mechanism.forms)
@settings(deadline=None)
@given(
    n=sizes, m=sizes, d=sizes, e=sizes, seed=seeds, causal=st.booleans(),
    offset=st.none() | st.integers(-3, 9),
    window=st.none() | st.integers(0, 4) | st.tuples(st.none() | st.integers(0, 4), st.none() | st.integers(0, 4)),
    masked=st.booleans(), biased=st.sampled_from(["no", "yes", "with -inf"]),
    scale=st.none() | st.floats(0.1, 2), softcap=st.none() | st.floats(0.5, 5),
)  # fmt: skip
def test_softmax_attention_is_the_paper(form, n, m, d, e, seed, causal, offset, window, masked, biased, scale, softcap):
    q, k, v, bias, chance = draw(seed, (n, d), (m, d), (m, e), (n, m), (n, m))
    mask = chance > -0.5 if masked else None
    bias = None if biased == "no" else np.where(chance > 1, -np.inf, bias) if biased == "with -inf" else bias
    if not causal and window in (None, (None, None)):
        offset = None  # it would be refused: there is nothing to align
    options = {"causal": causal, "offset": offset, "window": window, "scale": scale, "softcap": softcap}
    o, lse = fa.softmax_attention(q, k, v, mask=mask, bias=bias, return_lse=True, form=form, **options)
    q, k, v, mask, bias = lists(q, k, v, mask, bias)
    want_o, want_lse = softmax.softmax_attention(q, k, v, mask=mask, bias=bias, **options)
    agree(o, want_o, d + m)
    agree(lse, want_lse, d + m)


@pytest.mark.parametrize("form", fa.linear_attention.mechanism.forms)
@settings(deadline=None)
@given(n=sizes, m=sizes, d=sizes, e=sizes, seed=seeds, causal=st.booleans())
def test_linear_attention_is_the_paper(form, n, m, d, e, seed, causal):
    q, k, v = draw(seed, (n, d), (m, d), (m, e))
    agree(
        fa.linear_attention(q, k, v, causal=causal, form=form),
        linear.linear_attention(*lists(q, k, v), causal=causal),
        d + m,
    )


@pytest.mark.parametrize("form", fa.performer_attention.mechanism.forms)
@settings(deadline=None)
@given(
    n=sizes, m=sizes, d=sizes, e=sizes, r=sizes, seed=seeds, causal=st.booleans(), scale=st.none() | st.floats(0.1, 2)
)
def test_performer_attention_with_positive_features_is_the_paper(form, n, m, d, e, r, seed, causal, scale):
    q, k, v, omega = draw(seed, (n, d), (m, d), (m, e), (r, d))
    got = fa.performer_attention(q, k, v, omega, causal=causal, scale=scale, form=form)
    agree(got, performer.performer_attention(*lists(q, k, v, omega), causal=causal, scale=scale), d + m + r)


@pytest.mark.parametrize("form", fa.performer_attention.mechanism.forms)
@pytest.mark.parametrize("causal", [False, True])
def test_performer_attention_with_trigonometric_features_is_the_paper(form, causal):
    q, k, v, omega = draw(5, (6, 3), (8, 3), (8, 2), (64, 3))  # enough features for denominators well above zero
    got = fa.performer_attention(q, k, v, omega, features="trigonometric", causal=causal, form=form)
    want = performer.performer_attention(*lists(q, k, v, omega), features="trigonometric", causal=causal)
    agree(got, want, 3 + 8 + 64)


@pytest.mark.parametrize("form", fa.linformer_attention.mechanism.forms)
@settings(deadline=None)
@given(
    n=sizes, m=sizes, d=sizes, e=sizes, r=sizes, seed=seeds, shared=st.booleans(), scale=st.none() | st.floats(0.1, 2)
)
def test_linformer_attention_is_the_paper(form, n, m, d, e, r, seed, shared, scale):
    q, k, v, *maps = draw(seed, (n, d), (m, d), (m, e), (r, m), (r, m))
    maps = [x / math.sqrt(m) for x in maps]  # mixtures of the size of the keys
    projections = maps[:1] if shared else maps
    got = fa.linformer_attention(q, k, v, *projections, scale=scale, form=form)
    want = linformer.linformer_attention(*lists(q, k, v, maps[0], projections[-1]), scale=scale)
    agree(got, want, d + m + r)


@given(m=st.integers(1, 30), data=st.data())
def test_default_projection_of_linformer_is_the_segment_means(m, data):
    r = data.draw(st.integers(1, m))
    q, k, v = draw(m, (4, 3), (m, 3), (m, 2))
    means = linformer.segment_means(r, m)
    agree(
        fa.linformer_attention(q, k, v, rank=r), linformer.linformer_attention(*lists(q, k, v), means, means), 3 + m + r
    )


@pytest.mark.parametrize("form", fa.window_attention.mechanism.forms)
@settings(deadline=None)
@given(n=st.integers(1, 20), d=sizes, e=sizes, w=sizes, seed=seeds, causal=st.booleans())
def test_window_attention_is_the_paper(form, n, d, e, w, seed, causal):
    q, k, v = draw(seed, (n, d), (n, d), (n, e))
    got = fa.window_attention(q, k, v, window=w, causal=causal, form=form)
    agree(got, window.window_attention(*lists(q, k, v), window=w, causal=causal), d + n)


@pytest.mark.parametrize("form", fa.window_attention.mechanism.forms)
@pytest.mark.parametrize("causal", [False, True])
def test_window_attention_across_blocks_is_the_paper(form, causal):
    q, k, v = draw(1, (150, 2), (150, 2), (150, 1))
    got = fa.window_attention(q, k, v, window=70, causal=causal, form=form)
    agree(got, window.window_attention(*lists(q, k, v), window=70, causal=causal), 2 + 150)


@pytest.mark.parametrize("form", fa.longformer_attention.mechanism.forms)
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


@pytest.mark.parametrize("form", fa.lowrank_attention.mechanism.forms)
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(("n", "m", "rank"), [(6, 5, 2), (5, 6, 3), (4, 4, 1), (3, 5, 9)])
def test_lowrank_attention_is_the_truncated_decomposition(form, masked, n, m, rank):
    q, k, v, chance = draw(n * m + rank, (n, 3), (m, 3), (m, 2), (n, m))
    mask = chance > -0.5 if masked else None
    got = fa.lowrank_attention(q, k, v, rank=rank, mask=mask, form=form)
    q, k, v, mask = lists(q, k, v, mask)
    agree(got, lowrank.lowrank_attention(q, k, v, rank=rank, mask=mask), 3 + n + m)
