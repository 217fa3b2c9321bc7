"""Facts about window attention: what is seen, what it costs, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, draw, lists, seeds, sizes, window
from pairs import masks, seen

import factorattn as fa
from factorattn import pattern


@pytest.mark.parametrize("form", fa.window_attention.record.forms)
@pytest.mark.parametrize("window", [1, 3, 63, 64, 65, 100, 1000])
def test_window_sees_w_keys_to_each_side(form, window):
    for causal in (False, True):
        got = seen(fa.window_attention, 200, window=window, causal=causal, form=form)
        np.testing.assert_array_equal(got, pattern.window(200, window, causal=causal).dense())


def test_cost_follows_the_pairs_and_not_the_square():
    sizes = {"n": 2**14, "d": 64, "e": 64, "w": 128, "g": 2}
    small, large = fa.cost(fa.window_attention, sizes), fa.cost(fa.window_attention, {**sizes, "n": 2**16})
    assert large.flops <= 4 * small.flops
    assert large.peak <= 4 * small.peak


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"window": 0}, "window must be a positive integer, got 0"),
        ({"window": (1, 2)}, r"window must be a positive integer, got \(1, 2\)"),
    ],
)
def test_nonsense_is_refused_by_name(options, words):
    with pytest.raises(ValueError, match=words):
        fa.window_attention(*np.ones((3, 6, 4)), **options)


def test_queries_and_keys_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match=r"axis 'n' is 6 in q \(6, 4\) but 5 in k \(5, 4\)"):
        fa.window_attention(np.ones((6, 4)), np.ones((5, 4)), np.ones((5, 4)))


@pytest.mark.parametrize("form", fa.window_attention.record.forms)
@settings(deadline=None)
@given(n=st.integers(1, 20), d=sizes, e=sizes, w=sizes, seed=seeds, causal=st.booleans(), kind=masks)
def test_window_attention_is_the_paper(form, n, d, e, w, seed, causal, kind):
    q, k, v = draw(seed, (n, d), (n, d), (n, e))
    mask, full = kind(seed, n, n)
    got = fa.window_attention(q, k, v, window=w, causal=causal, mask=mask, form=form)
    agree(got, window.window_attention(*lists(q, k, v), window=w, causal=causal, mask=full), d + n)


@pytest.mark.parametrize("form", fa.window_attention.record.forms)
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("rows", [None, 1, 150], ids=["no mask", "mask of keys", "mask of pairs"])
@pytest.mark.parametrize("w", [9, 70])
def test_window_attention_across_blocks_is_the_paper(form, causal, rows, w):
    q, k, v = draw(1, (150, 2), (150, 2), (150, 1))
    mask = None if rows is None else np.random.default_rng(2).random((rows, 150)) < 0.7
    got = fa.window_attention(q, k, v, window=w, causal=causal, mask=mask, form=form)
    full = None if rows is None else np.broadcast_to(mask, (150, 150)).tolist()
    agree(got, window.window_attention(*lists(q, k, v), window=w, causal=causal, mask=full), 2 + 150)


@pytest.mark.parametrize("form", fa.window_attention.record.forms)
def test_each_member_of_a_batch_may_have_a_mask_of_its_own(form, rng):
    """Sequences of different lengths, padded to one."""
    q, k, v = rng.standard_normal((3, 2, 4, 100, 3))
    there = np.arange(100) < np.array([60, 100])[:, None]
    k[0, :, 60:], v[0, :, 60:] = np.nan, np.inf
    got = fa.window_attention(q, k, v, window=20, mask=there[:, None, None, :], form=form)
    short = fa.window_attention(q[0, :, :60], k[0, :, :60], v[0, :, :60], window=20, form=form)
    agree(got[0, :, :60], short, 103)
    agree(got[1], fa.window_attention(q[1], k[1], v[1], window=20, form=form), 103)
