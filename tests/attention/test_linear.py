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


@pytest.mark.parametrize("form", fa.linear_attention.record.forms)
@settings(deadline=None)
@given(n=sizes, m=sizes, d=sizes, e=sizes, seed=seeds, causal=st.booleans())
def test_linear_attention_is_the_paper(form, n, m, d, e, seed, causal):
    q, k, v = draw(seed, (n, d), (m, d), (m, e))
    agree(
        fa.linear_attention(q, k, v, causal=causal, form=form),
        linear.linear_attention(*lists(q, k, v), causal=causal),
        d + m,
    )
