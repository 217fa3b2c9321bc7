"""Facts about grouped-query attention."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, draw, grouped_query, lists, seeds

import factorattn as fa
from factorattn.testing import ROUNDING

FORMS = fa.grouped_query_attention.record.forms
small = st.integers(1, 3)


@pytest.mark.parametrize("form", FORMS)
@settings(deadline=None)
@given(
    n=small, m=small, g=small, s=small, d=small, e=small, c=small, seed=seeds, causal=st.booleans(),
    biased=st.booleans(), hidden=st.booleans(), other=st.booleans(), scale=st.none() | st.floats(-2, 2),
)  # fmt: skip
def test_grouped_query_attention_is_the_paper(
    form, n, m, g, s, d, e, c, seed, causal, biased, hidden, other, scale
):  # fmt: skip
    m = m if other else n
    shapes = (
        (n, c), (g, s, d, c), (g, d, c), (g, e, c), (g, s, c, e), (m, c), (g, s, d), (g, d), (g, e), (c,), (g, s, n, m)
    )  # fmt: skip
    *given, bias = draw(seed, *shapes)
    given = [x if i < 5 or (other if i == 5 else biased) else None for i, x in enumerate(given)]
    bias = bias if biased else None
    mask = np.random.default_rng(seed).random((g, s, n, m)) < 0.7 if hidden else None
    options = {"causal": causal, "scale": scale}
    got = fa.grouped_query_attention(*given, mask=mask, bias=bias, form=form, **options)
    flat = {name: None if t is None else t.reshape(g * s, n, m) for name, t in (("mask", mask), ("bias", bias))}
    want = grouped_query.grouped_query_attention(*lists(*given), **flat, **options)
    agree(got, want, g * s * (n + m + c))


@pytest.mark.parametrize("form", FORMS)
def test_neighbouring_heads_share_as_in_grouped_softmax(form, rng):
    g, s, n, d, e = 2, 3, 6, 4, 5
    q, k, v = (rng.standard_normal(shape) for shape in ((g * s, n, d), (g, n, d), (g, n, e)))
    want = fa.softmax_attention(q, k, v, grouped=True, form=form)
    # Tokens that hold every query, key and value side by side, and projections that pick them.
    x = np.concatenate([a.transpose(1, 0, 2).reshape(n, -1) for a in (q, k, v)], axis=1)
    picks = np.eye(x.shape[1])
    w_q = picks[: g * s * d].reshape(g, s, d, -1)
    w_k = picks[g * s * d : g * s * d + g * d].reshape(g, d, -1)
    w_v = picks[g * s * d + g * d :].reshape(g, e, -1)
    for head in range(g * s):
        w_o = np.zeros((g * s, x.shape[1], e))
        w_o[head, :e] = np.eye(e)  # the output of one head, as the first features
        out = fa.grouped_query_attention(x, w_q, w_k, w_v, w_o.reshape(g, s, -1, e), form=form)
        assert np.max(np.abs(out[:, :e] - want[head])) <= np.max(np.abs(want)) * ROUNDING(np.float64, n)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("table", [None, (7,), (1, 7), (3, 1, 7), (2, 1, 1, 7), (4, 2, 3, 1, 1)])
def test_a_step_of_a_decoder_is_the_last_row_of_the_whole(form, table, rng):
    y = rng.standard_normal((4, 7, 4))
    w = [rng.standard_normal(shape) for shape in ((2, 3, 2, 4), (2, 2, 4), (2, 5, 4), (2, 3, 4, 5))]
    options = {} if table is None else {"bias": rng.standard_normal(table), "mask": rng.random(table) < 0.8}
    whole = fa.grouped_query_attention(y, *w, causal=True, form=form, **options)
    step = fa.grouped_query_attention(y[:, -1:], *w, y=y, causal=True, form=form, **options)
    assert np.max(np.abs(step - whole[:, -1:])) <= max(1, np.max(np.abs(whole))) * ROUNDING(np.float64, 42)


def test_means_of_heads_that_are_equal_are_exact(rng):
    # The paper's conversion: key heads of a group replaced by their mean. It changes nothing where they were equal.
    g, s, c = 2, 2, 6
    x, w_q, w_o = (rng.standard_normal(shape) for shape in ((5, c), (g, s, 3, c), (g, s, c, 4)))
    w_k, w_v = (np.repeat(rng.standard_normal((g, 1, rows, c)), s, axis=1) for rows in (3, 4))
    want = fa.multihead_attention(x, *(w.reshape(g * s, *w.shape[2:]) for w in (w_q, w_k, w_v, w_o)))
    got = fa.grouped_query_attention(x, w_q, w_k.mean(axis=1), w_v.mean(axis=1), w_o)
    assert np.max(np.abs(got - want)) <= np.max(np.abs(want)) * ROUNDING(np.float64, g * s * c)


def test_nonsense_is_refused_by_name():
    x, w = np.ones((3, 4)), np.ones((2, 5, 4))
    with pytest.raises(ValueError, match=r"w_q needs shape \(\.\.\., g, s, d, c\)"):
        fa.grouped_query_attention(x, w, w, w, np.ones((2, 1, 4, 5)))
    with pytest.raises(ValueError, match="axis 'g' is 2 in w_q"):
        fa.grouped_query_attention(x, np.ones((2, 3, 5, 4)), np.ones((1, 5, 4)), w, np.ones((2, 3, 4, 5)))
