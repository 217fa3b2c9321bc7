"""Facts about window attention: what is seen, what it costs, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, draw, lists, seeds, sizes, window

import factorattn as fa


def seen(f, n, **options):
    """Which keys reach which rows: perturb a key's value, see which outputs move (dependence by brute force)."""
    q = k = np.zeros((n, 1))
    return f(q, k, np.eye(n), **options) > 0


@pytest.mark.parametrize("form", fa.window_attention.record.forms)
@pytest.mark.parametrize("window", [1, 3, 63, 64, 65, 100, 1000])
def test_window_sees_w_keys_to_each_side(form, window):
    i = np.arange(200)
    near = np.abs(i[:, None] - i) <= window
    np.testing.assert_array_equal(seen(fa.window_attention, 200, window=window, form=form), near)
    past = near & (i <= i[:, None])
    np.testing.assert_array_equal(seen(fa.window_attention, 200, window=window, causal=True, form=form), past)


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
@given(n=st.integers(1, 20), d=sizes, e=sizes, w=sizes, seed=seeds, causal=st.booleans())
def test_window_attention_is_the_paper(form, n, d, e, w, seed, causal):
    q, k, v = draw(seed, (n, d), (n, d), (n, e))
    got = fa.window_attention(q, k, v, window=w, causal=causal, form=form)
    agree(got, window.window_attention(*lists(q, k, v), window=w, causal=causal), d + n)


@pytest.mark.parametrize("form", fa.window_attention.record.forms)
@pytest.mark.parametrize("causal", [False, True])
def test_window_attention_across_blocks_is_the_paper(form, causal):
    q, k, v = draw(1, (150, 2), (150, 2), (150, 1))
    got = fa.window_attention(q, k, v, window=70, causal=causal, form=form)
    agree(got, window.window_attention(*lists(q, k, v), window=70, causal=causal), 2 + 150)
