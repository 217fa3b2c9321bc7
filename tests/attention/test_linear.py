"""Facts about linear attention: a worked example, a state of constant size, and low precision."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, draw, linear, lists, seeds, sizes

import factorattn as fa
from factorattn.testing import ROUNDING

FORMS = pytest.mark.parametrize("form", fa.linear_attention.record.forms)


@FORMS
def test_two_keys_by_hand(form):
    q, k, v = np.array([[0.0], [1.0]]), np.array([[0.0], [2.0]]), np.array([[4.0], [8.0]])
    np.testing.assert_array_equal(fa.linear_attention(q, k, v, form=form), [[7.0], [7.0]])  # phi(k) = 1, 3
    np.testing.assert_array_equal(fa.linear_attention(q, k, v, causal=True, form=form), [[4.0], [7.0]])


@FORMS
def test_queries_before_the_first_key_get_zeros(form):
    q, k, v = np.ones((300, 2)), np.ones((1, 2)), np.full((1, 3), 5.0)
    o = fa.linear_attention(q, k, v, causal=True, form=form)
    np.testing.assert_array_equal(o, np.repeat([0.0, 5.0], [299, 1])[:, None] * np.ones(3))


@FORMS
def test_keys_before_the_first_query_are_all_seen(form, rng):
    q, k, v = rng.standard_normal((3, 300, 4))
    whole = fa.linear_attention(q, k, v, causal=True, form=form)
    last = fa.linear_attention(q[-3:], k, v, causal=True, form=form)
    assert np.max(np.abs(last - whole[-3:])) <= np.max(np.abs(whole)) * ROUNDING(np.float64, 300)


@FORMS
def test_half_precision_accumulates_in_single(form):
    n = 5000 if form != "recurrent" else 2100  # past 2048, where float16 stops counting
    x = np.ones((n, 2), dtype=np.float16)
    o = fa.linear_attention(x[:3], x, x, form=form)
    assert o.dtype == np.float16
    np.testing.assert_array_equal(o, np.ones((3, 2)))


@pytest.mark.peers
def test_bfloat16_of_torch_is_computed_in_single():
    torch = pytest.importorskip("torch", reason="torch is not installed (extra: peers)")
    x = torch.ones((3000, 2), dtype=torch.bfloat16)
    o = fa.linear_attention(x[:3], x, x)
    assert o.dtype == torch.bfloat16
    assert bool(torch.all(o == 1))


def test_counted_operations_grow_with_the_length_only():
    small, large = (
        fa.cost(fa.linear_attention, {"n": n, "m": n, "d": 64, "e": 64}, causal=True) for n in (2**16, 2**20)
    )
    assert large.flops == 16 * small.flops
    assert large.peak <= 16 * small.peak


@FORMS
@pytest.mark.parametrize("causal", [False, True])
def test_a_hidden_key_is_as_good_as_absent_whatever_it_holds(form, causal, rng):
    q, k, v = rng.standard_normal((3, 2, 9, 4))
    shown = np.ones((2, 1, 9), dtype=bool)
    shown[0, 0, 6:], shown[1, 0, 3:] = False, False  # two sequences, filled up to one length
    k, v = (np.where(shown.mT, x, np.nan) for x in (k, v))
    o = fa.linear_attention(q, k, v, mask=shown, causal=causal, form=form)
    for batch, length in enumerate((6, 3)):
        short = q[batch, :length], k[batch, :length], v[batch, :length]
        want = fa.linear_attention(*short, causal=causal, form=form)
        assert np.max(np.abs(o[batch, :length] - want)) <= np.max(np.abs(want)) * ROUNDING(np.float64, 9)


@FORMS
def test_where_every_key_is_hidden_rows_are_zero(form, rng):
    q, k, v = rng.standard_normal((3, 5, 4))
    o = fa.linear_attention(q, k, v, mask=np.zeros(5, dtype=bool), form=form)
    np.testing.assert_array_equal(o, np.zeros((5, 4)))


@pytest.mark.parametrize(
    ("mask", "error", "words"),
    [
        (
            np.ones((5, 5), dtype=bool),
            ValueError,
            r"mask must hide a key from all queries .* \(\.\.\., 1, 5\), got \(5, 5\)",
        ),
        (np.ones((1, 4), dtype=bool), ValueError, r"mask must broadcast to \(\.\.\., 5, 5\), got shape \(1, 4\)"),
        (np.ones((1, 5)), TypeError, "mask must have dtype bool, got float64"),
        ([True] * 5, TypeError, "mask must be an array of the same library as q, got list"),
    ],
)
def test_a_mask_that_cannot_be_honoured_is_refused(mask, error, words):
    with pytest.raises(error, match=words):
        fa.linear_attention(*np.ones((3, 5, 2)), mask=mask)


@pytest.mark.parametrize("shape", [(), (1,), (5,), (1, 1), (1, 5), (2, 1, 5)])
def test_masks_broadcast(shape):
    x = np.arange(10.0).reshape(1, 5, 2)
    o = fa.linear_attention(x, x, x, mask=np.ones(shape, dtype=bool))
    np.testing.assert_array_equal(o, np.broadcast_to(fa.linear_attention(x, x, x), o.shape))
    assert o.shape == (2 if len(shape) == 3 else 1, 5, 2)


@pytest.mark.parametrize("form", fa.linear_attention.record.forms)
@settings(deadline=None)
@given(n=sizes, m=sizes, d=sizes, e=sizes, seed=seeds, causal=st.booleans(), masked=st.booleans())
def test_linear_attention_is_the_paper(form, n, m, d, e, seed, causal, masked):
    q, k, v, chance = draw(seed, (n, d), (m, d), (m, e), (m,))
    shown = chance > -0.5 if masked else None
    agree(
        fa.linear_attention(q, k, v, mask=shown, causal=causal, form=form),
        linear.linear_attention(*lists(q, k, v), shown=shown, causal=causal),
        d + m,
    )
