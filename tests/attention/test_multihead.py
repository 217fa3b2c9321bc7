"""Facts about multi-head attention."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, draw, lists, multihead, seeds

import factorattn as fa
from factorattn.testing import ROUNDING

FORMS = fa.multihead_attention.record.forms
small = st.integers(1, 4)


@pytest.mark.parametrize("form", FORMS)
@settings(deadline=None)
@given(
    n=small, m=small, h=small, d=small, e=small, c=small, seed=seeds, causal=st.booleans(), biased=st.booleans(),
    hidden=st.booleans(), other=st.booleans(), scale=st.none() | st.floats(-2, 2),
)  # fmt: skip
def test_multihead_attention_is_the_paper(form, n, m, h, d, e, c, seed, causal, biased, hidden, other, scale):
    m = m if other else n
    shapes = ((n, c), (h, d, c), (h, d, c), (h, e, c), (h, c, e), (m, c), (h, d), (h, d), (h, e), (c,), (h, n, m))
    *given, bias = draw(seed, *shapes)
    given = [x if i < 5 or (other if i == 5 else biased) else None for i, x in enumerate(given)]
    bias = bias if biased else None
    mask = np.random.default_rng(seed).random((h, n, m)) < 0.7 if hidden else None
    options = {"causal": causal, "scale": scale}
    got = fa.multihead_attention(*given, mask=mask, bias=bias, form=form, **options)
    want = multihead.multihead_attention(*lists(*given), mask=mask, bias=bias, **options)
    agree(got, want, h * (n + m + c))


@pytest.mark.parametrize("form", FORMS)
def test_heads_with_projections_that_pick_features(form):
    # Head 0 looks at feature 0 and writes it to feature 1; head 1 the other way round.
    x = np.array([[0.0, 30.0], [40.0, 0.0]])
    pick = np.eye(2)[:, None, :]  # (h, 1, c)
    w_o = np.eye(2)[::-1, :, None]  # (h, c, 1)
    out = fa.multihead_attention(x, pick, pick, pick, w_o, form=form)
    # A query of 0 gives the mean of the values; one of 30 or 40 leaves the other key exp(-900) or less.
    np.testing.assert_array_equal(out, [[30, 20], [15, 40]])


@pytest.mark.parametrize("form", FORMS)
def test_rows_that_see_nothing_are_the_last_bias(form, rng):
    x, w_q, w_k, w_v, w_o, b_o = (
        rng.standard_normal(s) for s in ((3, 4), (2, 3, 4), (2, 3, 4), (2, 5, 4), (2, 4, 5), (4,))
    )
    mask = np.array([[True], [False], [True]])
    plain, biased = (fa.multihead_attention(x, w_q, w_k, w_v, w_o, b_o=b, mask=mask, form=form) for b in (None, b_o))
    assert not plain[1].any()
    np.testing.assert_array_equal(biased[1], b_o)
    np.testing.assert_allclose(biased - plain, np.tile(b_o, (3, 1)), atol=ROUNDING(np.float64, 20) * 10)


@pytest.mark.parametrize("form", FORMS)
def test_masks_of_a_batch_have_an_axis_for_heads(form, rng):
    x = rng.standard_normal((2, 5, 4))
    w = [rng.standard_normal(s) for s in ((3, 2, 4), (3, 2, 4), (3, 6, 4), (3, 4, 6))]
    padding = np.arange(5) < np.array([3, 5])[:, None]  # (2, 5)
    out = fa.multihead_attention(x, *w, mask=padding[:, None, None, :], form=form)
    for item, length in ((0, 3), (1, 5)):
        want = fa.multihead_attention(x[item], *w, y=x[item, :length], form=form)
        assert np.max(np.abs(out[item] - want)) <= np.max(np.abs(want)) * ROUNDING(np.float64, 24)
    with pytest.raises(ValueError, match="batch axes must broadcast"):
        fa.multihead_attention(x, *w, mask=np.ones((2, 5, 5), dtype=bool), form=form)


@pytest.mark.parametrize("form", FORMS)
def test_a_position_bias_is_one_for_each_head(form, rng):
    x = rng.standard_normal((6, 4))
    w = [rng.standard_normal(s) for s in ((3, 2, 4), (3, 2, 4), (3, 5, 4), (3, 4, 5))]
    bias = fa.position.alibi(3, 6, 6, like=x)
    got = fa.multihead_attention(x, *w, bias=bias, causal=True, form=form)
    want = sum(
        fa.multihead_attention(x, *(a[i : i + 1] for a in w), bias=bias[i], causal=True, form=form) for i in range(3)
    )
    assert np.max(np.abs(got - want)) <= np.max(np.abs(want)) * ROUNDING(np.float64, 15)


@pytest.mark.peers
@pytest.mark.parametrize("form", FORMS)
def test_multihead_is_that_of_torch(form, rng):
    torch = pytest.importorskip("torch")
    h, c, n = 4, 12, 7
    peer = torch.nn.MultiheadAttention(c, h, bias=True, batch_first=True, dtype=torch.float64)
    x = torch.asarray(rng.standard_normal((2, n, c)))
    with torch.no_grad():
        for p in peer.parameters():
            p.copy_(torch.asarray(rng.standard_normal(tuple(p.shape))))
        causal = torch.triu(torch.ones(n, n, dtype=torch.bool), 1)
        want, _ = peer(x, x, x, attn_mask=causal)
        q, k, v = peer.in_proj_weight.reshape(3, h, c // h, c)
        biases = peer.in_proj_bias.reshape(3, h, c // h)
        w_o = peer.out_proj.weight.reshape(c, h, c // h).permute(1, 0, 2)
        got = fa.multihead_attention(
            x, q, k, v, w_o, None, *biases, peer.out_proj.bias, causal=True, form=form
        )  # fmt: skip
    assert torch.max(torch.abs(got - want)) <= torch.max(torch.abs(want)) * ROUNDING(np.float64, c * n)


def test_nonsense_is_refused_by_name():
    x, w = np.ones((3, 4)), np.ones((2, 5, 4))
    with pytest.raises(ValueError, match="axis 'h' is 2 in w_q"):
        fa.multihead_attention(x, w, np.ones((3, 5, 4)), w, np.ones((2, 4, 5)))
    with pytest.raises(ValueError, match="axis 'e' is 5"):
        fa.multihead_attention(x, w, w, w, np.ones((2, 4, 6)))
    with pytest.raises(TypeError, match="mask must have dtype bool"):
        fa.multihead_attention(x, w, w, w, np.ones((2, 4, 5)), mask=np.ones((3, 3)))
    with pytest.raises(TypeError, match="causal must be True or False"):
        fa.multihead_attention(x, w, w, w, np.ones((2, 4, 5)), causal="yes")
    with pytest.raises(ValueError, match="scale must be finite"):
        fa.multihead_attention(x, w, w, w, np.ones((2, 4, 5)), scale=np.inf)
