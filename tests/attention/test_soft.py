"""Facts about soft attention: the paper, its cost, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, draw, lists, seeds, sizes, soft

import factorattn as fa

FORMS = fa.soft_attention.record.forms


@pytest.mark.parametrize("form", FORMS)
@settings(deadline=None)
@given(
    n=st.integers(1, 20),
    m=sizes,
    d=sizes,
    c=sizes,
    e=sizes,
    a=sizes,
    seed=seeds,
    causal=st.booleans(),
    masked=st.booleans(),
    biased=st.booleans(),
)
def test_soft_attention_is_the_paper(form, n, m, d, c, e, a, seed, causal, masked, biased):
    *arrays, b, chance = draw(seed, (n, d), (m, c), (m, e), (a, d), (a, c), (a,), (a,), (n, m))
    b, mask = b if biased else None, chance > -0.5 if masked else None
    got = fa.soft_attention(*arrays, b, mask=mask, causal=causal, form=form)
    agree(got, soft.soft_attention(*lists(*arrays, b), mask=mask, causal=causal), a * (d + c) + m)


@pytest.mark.parametrize("form", FORMS)
def test_weights_by_hand(form):
    one, w = np.ones((1, 1)), np.array([np.log(3.0) / np.tanh(1.0)])
    got = fa.soft_attention(one, np.array([[0.0], [-1.0]]), np.array([[1.0], [5.0]]), one, one, w, form=form)
    agree(got, [[2.0]], 2)  # scores log 3 and 0: weights 3/4 and 1/4


@pytest.mark.parametrize("form", FORMS)
def test_a_row_that_sees_no_key_is_zero_and_poison_stays_hidden(form, rng):
    q, k, v, w_q, w_k = rng.standard_normal((5, 6, 6))
    k[4], v[4] = np.nan, np.inf
    mask = np.ones((6, 6), dtype=bool)
    mask[:, 4], mask[2] = False, False
    got = fa.soft_attention(q, k, v, w_q, w_k, np.ones(6), mask=mask, form=form)
    np.testing.assert_array_equal(got[2], 0.0)
    assert np.all(np.isfinite(got))


def test_a_model_for_each_head(rng):
    q, k, v = rng.standard_normal((3, 4, 9, 5))
    w_q, w_k, w = rng.standard_normal((4, 6, 5)), rng.standard_normal((4, 6, 5)), rng.standard_normal((4, 6))
    got = fa.soft_attention(q, k, v, w_q, w_k, w)
    for head in range(4):
        agree(got[head], fa.soft_attention(q[head], k[head], v[head], w_q[head], w_k[head], w[head]), 20)


def test_hidden_units_of_all_pairs_are_never_held_at_once():
    sizes = {"n": 4096, "m": 4096, "d": 64, "c": 64, "e": 64, "a": 64}
    assert fa.cost(fa.soft_attention, sizes).peak < fa.cost(fa.soft_attention, sizes, form="dense").peak / 300


def test_arrays_that_do_not_fit_are_refused_by_name():
    arrays = np.ones((2, 3)), np.ones((4, 5)), np.ones((4, 6)), np.ones((7, 3)), np.ones((7, 5)), np.ones(8)
    with pytest.raises(ValueError, match=r"axis 'a' is 7 in w_q \(7, 3\) but 8 in w"):
        fa.soft_attention(*arrays)
