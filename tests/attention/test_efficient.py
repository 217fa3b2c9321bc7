"""Facts about efficient attention: two softmaxes, their edges, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, draw, efficient, lists, seeds, sizes

import factorattn as fa
from factorattn.testing import ROUNDING

FORMS = pytest.mark.parametrize("form", fa.efficient_attention.record.forms)


@FORMS
def test_two_keys_by_hand(form):
    """A query on one feature alone, whose distribution over the keys is 1 : 3."""
    q, k, v = np.array([[50.0, -50.0]]), np.array([[0.0, 5.0], [np.log(3), -5.0]]), np.array([[4.0], [8.0]])
    np.testing.assert_allclose(fa.efficient_attention(q, k, v, form=form), [[7.0]], rtol=ROUNDING(np.float64, 4))


@FORMS
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_queries_and_keys_neither_overflow_nor_vanish(form, causal, dtype, rng):
    q, k, v = (x.astype(dtype) for x in rng.standard_normal((3, 70, 4)))
    o = fa.efficient_attention(1e4 * q, 1e4 * k, v, causal=causal, form=form)
    assert np.all(np.isfinite(o))
    assert np.all(np.abs(o) <= np.max(np.abs(v)) * (1 + ROUNDING(dtype, 70)))  # means of values
    assert np.all(np.any(o != 0, axis=-1))


@FORMS
def test_a_later_key_of_any_size_does_not_drown_the_earlier_ones(form):
    """Keys that grow by thousands: each row is ruled by its newest key, in every feature."""
    k = np.repeat(np.arange(80.0)[:, None] * 1000, 2, axis=1)
    p = fa.efficient_attention(np.zeros((80, 2)), k, np.eye(80), causal=True, form=form)
    np.testing.assert_array_equal(p, np.eye(80))


@FORMS
@pytest.mark.parametrize("causal", [False, True])
def test_each_row_of_weights_sums_to_one(form, causal, rng):
    weights = fa.efficient_attention(*rng.standard_normal((2, 70, 4)), np.eye(70), causal=causal, form=form)
    assert np.all(weights >= 0)
    np.testing.assert_allclose(weights.sum(axis=-1), 1, rtol=ROUNDING(np.float64, 70))


@FORMS
def test_one_feature_is_the_same_mean_for_every_query(form, rng):
    """A softmax over one entry is one: queries do not matter."""
    q, k, v = rng.standard_normal((5, 1)), rng.standard_normal((6, 1)), rng.standard_normal((6, 3))
    o = fa.efficient_attention(q, k, v, form=form)
    np.testing.assert_allclose(o, np.tile(o[:1], (5, 1)), rtol=ROUNDING(np.float64, 6))
    want = np.exp(k[:, 0]) @ v / np.exp(k[:, 0]).sum()
    np.testing.assert_allclose(o[0], want, rtol=ROUNDING(np.float64, 6))


@FORMS
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("rows", [1, 6])
def test_nothing_of_a_hidden_key_shows(form, causal, rows, rng):
    q, k, v = rng.standard_normal((3, 6, 4))
    shown = np.array([True, False, True, True, False, True])
    want = fa.efficient_attention(q, k[shown], v[shown], form=form)
    k[~shown], v[~shown] = np.nan, np.inf
    mask = np.broadcast_to(shown, (rows, 6))
    got = fa.efficient_attention(q, k, v, mask=mask, causal=causal, form=form)
    seen = [5] if causal else slice(None)
    assert np.max(np.abs(got - want)[seen]) <= np.max(np.abs(want)) * ROUNDING(np.float64, 10)


@FORMS
def test_a_row_that_sees_nothing_is_zero(form, rng):
    q, k, v = rng.standard_normal((3, 6, 4))
    mask = np.ones((6, 6), dtype=bool)
    mask[2] = False
    np.testing.assert_array_equal(fa.efficient_attention(q, k, v, mask=mask, form=form)[2], np.zeros(4))
    hidden = np.zeros(6, dtype=bool)
    np.testing.assert_array_equal(fa.efficient_attention(q, k, v, mask=hidden, form=form), np.zeros((6, 4)))
    late = fa.efficient_attention(q, k[:1], v[:1], causal=True, form=form)
    np.testing.assert_array_equal(late[:5], np.zeros((5, 4)))


@FORMS
@pytest.mark.parametrize("m", [0, 3])
def test_without_features_or_keys_rows_are_zero(form, m):
    o = fa.efficient_attention(np.ones((4, 0)), np.ones((m, 0)), np.ones((m, 2)), form=form)
    np.testing.assert_array_equal(o, np.zeros((4, 2)))


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"mask": np.ones((6, 5), dtype=bool)}, ValueError, r"mask must broadcast to \(\.\.\., 6, 6\)"),
        ({"mask": np.ones((1, 6))}, TypeError, "mask must have dtype bool"),
        ({"form": "online"}, ValueError, "form must be 'dense' or 'linear', got 'online'"),
    ],
)
def test_nonsense_is_refused_by_name(options, error, words):
    with pytest.raises(error, match=words):
        fa.efficient_attention(*np.ones((3, 6, 4)), **options)


def test_causal_operations_and_memory_grow_with_the_length_only():
    small, large = (
        fa.cost(fa.efficient_attention, {"n": n, "m": n, "d": 64, "e": 64}, causal=True) for n in (2**14, 2**18)
    )
    assert large.flops == 16 * small.flops
    assert large.peak <= 16 * small.peak


@FORMS
@settings(deadline=None)
@given(
    n=sizes,
    m=sizes,
    d=sizes,
    e=sizes,
    seed=seeds,
    rows=st.sampled_from([None, "one", "all"]),
    causal=st.booleans(),
)
def test_efficient_attention_is_the_paper(form, n, m, d, e, seed, rows, causal):
    q, k, v, chance = draw(seed, (n, d), (m, d), (m, e), (n, m))
    mask = None if rows is None else chance[: 1 if rows == "one" else n] > -0.5
    got = fa.efficient_attention(q, k, v, mask=mask, causal=causal, form=form)
    mask = None if mask is None else np.broadcast_to(mask, (n, m))
    q, k, v, mask = lists(q, k, v, mask)
    agree(got, efficient.efficient_attention(q, k, v, mask=mask, causal=causal), d + m)
