"""Facts about multi-query attention."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, draw, lists, multiquery, seeds

import factorattn as fa
from factorattn.testing import ROUNDING

FORMS = fa.multiquery_attention.record.forms
small = st.integers(1, 4)


@pytest.mark.parametrize("form", FORMS)
@settings(deadline=None)
@given(
    n=small, m=small, h=small, d=small, e=small, c=small, seed=seeds, causal=st.booleans(), biased=st.booleans(),
    hidden=st.booleans(), other=st.booleans(), scale=st.none() | st.floats(-2, 2),
)  # fmt: skip
def test_multiquery_attention_is_the_paper(form, n, m, h, d, e, c, seed, causal, biased, hidden, other, scale):
    m = m if other else n
    shapes = ((n, c), (h, d, c), (d, c), (e, c), (h, c, e), (m, c), (h, d), (d,), (e,), (c,), (h, n, m))
    *given, bias = draw(seed, *shapes)
    given = [x if i < 5 or (other if i == 5 else biased) else None for i, x in enumerate(given)]
    bias = bias if biased else None
    mask = np.random.default_rng(seed).random((h, n, m)) < 0.7 if hidden else None
    options = {"causal": causal, "scale": scale}
    got = fa.multiquery_attention(*given, mask=mask, bias=bias, form=form, **options)
    want = multiquery.multiquery_attention(*lists(*given), mask=mask, bias=bias, **options)
    agree(got, want, h * (n + m + c))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("table", [None, (), (7,), (1, 7), (3, 1, 7), (2, 1, 1, 7), (2, 3, 1, 1)])
def test_a_step_of_a_decoder_is_the_last_row_of_the_whole(form, table, rng):
    y = rng.standard_normal((2, 7, 4))
    w = [rng.standard_normal(s) for s in ((3, 2, 4), (2, 4), (5, 4), (3, 4, 5))]
    options = {} if table is None else {"bias": rng.standard_normal(table), "mask": rng.random(table) < 0.8}
    whole = fa.multiquery_attention(y, *w, causal=True, form=form, **options)
    step = fa.multiquery_attention(y[:, -1:], *w, y=y, causal=True, form=form, **options)
    assert np.max(np.abs(step - whole[:, -1:])) <= max(1, np.max(np.abs(whole))) * ROUNDING(np.float64, 21)


def test_a_decoder_keeps_one_head():
    # What grows with the tokens that answer: keys and values of one head, not of h.
    sizes = {"n": 1, "d": 64, "e": 64, "c": 512, "h": 8}

    def growth(f):
        more, less = (fa.cost(f, {**sizes, "m": m}).peak for m in (2**13, 2**12))
        return more - less

    assert growth(fa.multihead_attention) == 8 * growth(fa.multiquery_attention)


def test_nonsense_is_refused_by_name():
    x, w = np.ones((3, 4)), np.ones((2, 5, 4))
    with pytest.raises(ValueError, match="axis 'd' is 5 in w_q"):
        fa.multiquery_attention(x, w, np.ones((6, 4)), np.ones((5, 4)), np.ones((2, 4, 5)))
    with pytest.raises(ValueError, match="bias must broadcast to"):
        fa.multiquery_attention(x, w, np.ones((5, 4)), np.ones((5, 4)), np.ones((2, 4, 5)), bias=np.ones((2, 2)))
