"""Facts about cosFormer: a worked example, its length, rows without a weight, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, cosformer, draw, lists, seeds, sizes

import factorattn as fa
from factorattn.testing import ROUNDING

FORMS = pytest.mark.parametrize("form", fa.cosformer_attention.record.forms)


@FORMS
def test_two_keys_by_hand(form):
    """M = 2: the neighbour is weighed by cos(pi / 4)."""
    q, k, v = np.array([[1.0], [2.0]]), np.array([[1.0], [3.0]]), np.array([[4.0], [8.0]])
    root = np.sqrt(0.5)
    want = [[(4 + 3 * root * 8) / (1 + 3 * root)], [(root * 4 + 3 * 8) / (root + 3)]]
    o = fa.cosformer_attention(q, k, v, form=form)
    np.testing.assert_allclose(o, want, rtol=ROUNDING(np.float64, 2))
    o = fa.cosformer_attention(q, k, v, causal=True, form=form)
    np.testing.assert_allclose(o, [[4.0], want[1]], rtol=ROUNDING(np.float64, 2))


@FORMS
def test_a_query_without_a_positive_entry_weighs_no_key(form, rng):
    k, v = rng.standard_normal((2, 5, 3))
    o = fa.cosformer_attention(np.array([[-1.0, 0.0, -2.0]]), k, v, form=form)
    np.testing.assert_array_equal(o, np.zeros((1, 3)))


@FORMS
def test_a_query_that_meets_no_key_in_a_positive_entry_weighs_none(form):
    o = fa.cosformer_attention(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0], [-1.0, 2.0]]), np.ones((2, 3)), form=form)
    np.testing.assert_array_equal(o, np.zeros((1, 3)))


@FORMS
def test_with_a_length_of_its_own_it_can_be_run_on_a_stream(form, rng):
    q, k, v = rng.standard_normal((3, 200, 4))
    whole = fa.cosformer_attention(q, k, v, length=512, causal=True, form=form)
    prefix = fa.cosformer_attention(q[:130], k[:130], v[:130], length=512, causal=True, form=form)
    assert np.max(np.abs(whole[:130] - prefix)) <= np.max(np.abs(prefix)) * ROUNDING(np.float64, 200)
    last = fa.cosformer_attention(q[-1:], k, v, length=512, causal=True, form=form)
    assert np.max(np.abs(whole[-1:] - last)) <= np.max(np.abs(last)) * ROUNDING(np.float64, 200)


@FORMS
def test_by_default_the_length_is_that_of_the_sequence_so_a_prefix_differs(form, rng):
    q, k, v = rng.standard_normal((3, 20, 4))
    whole, prefix = (fa.cosformer_attention(*(x[:m] for x in (q, k, v)), causal=True, form=form) for m in (20, 10))
    np.testing.assert_array_equal(fa.cosformer_attention(q, k, v, length=20, causal=True, form=form), whole)
    assert not np.allclose(whole[:10], prefix)


@FORMS
def test_no_weight_is_negative(form, rng):
    weights = fa.cosformer_attention(*rng.standard_normal((2, 100, 4)), np.eye(100), form=form)
    assert np.min(weights) >= -ROUNDING(np.float64, 8) * np.max(weights)


@FORMS
@pytest.mark.parametrize("causal", [False, True])
def test_a_hidden_key_counts_for_nothing_whatever_it_holds_and_keeps_its_place(form, causal, rng):
    q, k, v = rng.standard_normal((3, 6, 4))
    shown = np.array([True, False, True, True, False, True])
    k[~shown] = -1.0  # which has no features
    want = fa.cosformer_attention(q, k, v, causal=causal, form=form)
    k[~shown], v[~shown] = np.nan, np.inf
    got = fa.cosformer_attention(q, k, v, mask=shown, causal=causal, form=form)
    assert np.max(np.abs(got - want)) <= np.max(np.abs(want)) * ROUNDING(np.float64, 10)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"length": 5}, ValueError, "length must be at least that of queries and keys, 6, got 5"),
        ({"length": 7.5}, TypeError, "length must be an integer, got 7.5"),
        ({"mask": np.ones((6, 6), dtype=bool)}, ValueError, "mask must hide a key from all queries or from none"),
        ({"causal": 1}, TypeError, "causal must be True or False, got 1"),
    ],
)
def test_nonsense_is_refused_by_name(options, error, words):
    with pytest.raises(error, match=words):
        fa.cosformer_attention(*np.ones((3, 6, 4)), **options)


def test_counted_operations_grow_with_the_length_only():
    small, large = (
        fa.cost(fa.cosformer_attention, {"n": n, "m": n, "d": 64, "e": 64}, causal=True) for n in (2**14, 2**18)
    )
    assert large.by_kind["contract"] == 16 * small.by_kind["contract"]
    assert large.peak <= 16 * small.peak


@FORMS
@settings(deadline=None)
@given(
    n=sizes,
    m=sizes,
    d=sizes,
    e=sizes,
    seed=seeds,
    longer=st.none() | st.integers(0, 20),
    masked=st.booleans(),
    causal=st.booleans(),
)
def test_cosformer_attention_is_the_paper(form, n, m, d, e, seed, longer, masked, causal):
    q, k, v, chance = draw(seed, (n, d), (m, d), (m, e), (m,))
    shown = chance > -0.5 if masked else None
    options = {"length": None if longer is None else max(n, m) + longer, "causal": causal}
    got = fa.cosformer_attention(q, k, v, mask=shown, form=form, **options)
    agree(got, cosformer.cosformer_attention(*lists(q, k, v), shown=shown, **options), d + m)
