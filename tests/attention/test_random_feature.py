"""Facts about random feature attention: unit vectors, what it estimates, the gate, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, draw, lists, random_feature, seeds, sizes

import factorattn as fa
from factorattn.testing import CHANCE, ROUNDING

FORMS = pytest.mark.parametrize("form", fa.random_feature_attention.record.forms)


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def tamed(omega):
    """Directions of at most a third: angles between unit vectors are below 2/3, and no estimate is near zero."""
    return omega / (3 * np.maximum(np.linalg.norm(omega, axis=-1, keepdims=True), 1))


@FORMS
def test_two_keys_by_hand(form):
    """One direction of length pi / 2; the keys at angles 0 and 60 degrees from the query."""
    q, k = np.array([[2.0, 0.0]]), np.array([[5.0, 0.0], [1.0, np.sqrt(3)]])
    v, omega = np.array([[1.0], [4.0]]), np.array([[np.pi / 2, 0.0]])
    o = fa.random_feature_attention(q, k, v, omega, form=form)
    weights = np.array([1.0, np.cos(np.pi / 4)])  # cosines of pi / 2 (1 - 1) and pi / 2 (1 - 1/2)
    np.testing.assert_allclose(o, [[weights @ v[:, 0] / weights.sum()]], rtol=ROUNDING(np.float64, 4))


@FORMS
def test_lengths_of_queries_and_keys_do_not_matter(form, rng):
    q, k, v, omega = rng.standard_normal((4, 6, 4))
    omega = tamed(omega)
    want = fa.random_feature_attention(q, k, v, omega, form=form)
    for size in (1e-200, 1e-3, 1e200):
        got = fa.random_feature_attention(size * q, size * k, v, omega, form=form)
        assert np.max(np.abs(got - want)) <= np.max(np.abs(want)) * ROUNDING(np.float64, 10)


@FORMS
def test_a_query_of_zeros_stays(form, rng):
    """Its features are those of no direction: sines of zero and cosines of one."""
    k, v, omega = rng.standard_normal((5, 4)), rng.standard_normal((5, 2)), tamed(rng.standard_normal((3, 4)))
    o = fa.random_feature_attention(np.zeros((1, 4)), k, v, omega, form=form)
    weights = np.sum(np.cos(unit(k) @ omega.T), axis=-1)
    np.testing.assert_allclose(o[0], weights @ v / weights.sum(), rtol=ROUNDING(np.float64, 8))


@pytest.mark.parametrize("sigma", [None, [0.5, 1.5, 1.0, 0.7]])
def test_weights_are_unbiased_for_the_gaussian_kernel_that_sigma_stretches(sigma, rng):
    x, y = unit(rng.standard_normal((2, 1, 4)))
    factor = np.ones(4) if sigma is None else np.asarray(sigma)
    w = rng.standard_normal((20_000, 4)) * factor
    products = np.cos(w @ (x - y)[0])  # phi(x) . phi(y) for one direction each
    got = fa.factor.trigonometric_features(x, w, xp=np)[0], fa.factor.trigonometric_features(y, w, xp=np)[0]
    assert abs(float((got[0] @ got[1].T)[0, 0]) - products.mean()) <= ROUNDING(np.float64, 20_000)
    want = np.exp(-np.sum((factor * (x - y)) ** 2) / 2)
    assert abs(products.mean() - want) <= CHANCE(products)


def test_its_squared_error_against_softmax_attention_of_unit_vectors_falls_with_the_number_of_directions(rng):
    """Sixteen times the directions, a sixteenth of it (up to a factor of two: a quotient has terms of higher order)."""
    q, k, v = rng.standard_normal((3, 30, 4))
    want = fa.softmax_attention(unit(q), unit(k), v, scale=0.25)  # at temperature 1 / sigma^2
    half = np.full(4, 0.5)
    few, many = (
        np.mean(
            [(fa.random_feature_attention(q, k, v, None, half, rank=r, rng=seed) - want) ** 2 for seed in range(40)]
        )
        for r in (64, 1024)
    )
    assert 8 < few / many < 32


@FORMS
def test_gates_near_zero_keep_the_newest_key_only_and_gates_of_a_half_are_a_moving_average(form, rng):
    q, k, v, omega = rng.standard_normal((4, 5, 3))
    omega = tamed(omega)
    shut = fa.random_feature_attention(q, k, v, omega, None, np.full(5, -50.0), causal=True, form=form)
    assert np.max(np.abs(shut - v)) <= np.max(np.abs(v)) * ROUNDING(np.float64, 5)
    half = fa.random_feature_attention(q, k, v, omega, None, np.zeros(5), causal=True, form=form)
    age = np.arange(5)[:, None] - np.arange(5)
    weights = np.where(age >= 0, 0.5 ** np.maximum(age, 0), 0) * np.sum(
        np.cos((unit(q)[:, None] - unit(k)) @ omega.T), axis=-1
    )
    want = weights @ v / weights.sum(axis=-1, keepdims=True)
    assert np.max(np.abs(half - want)) <= np.max(np.abs(want)) * ROUNDING(np.float64, 8)


@FORMS
@pytest.mark.parametrize("gate", [-300.0, -30.0, 30.0, 300.0])
def test_gates_of_any_size_neither_overflow_nor_vanish(form, gate, rng):
    q, k, v = rng.standard_normal((3, 150, 4)).astype("float32")
    omega = tamed(rng.standard_normal((8, 4))).astype("float32")
    logits = np.full(150, gate, dtype="float32")
    o = fa.random_feature_attention(q, k, v, omega, None, logits, causal=True, form=form)
    exact = fa.random_feature_attention(
        *(x.astype("float64") for x in (q, k, v, omega)), None, logits.astype("float64"), causal=True, form=form
    )
    assert np.all(np.isfinite(o))
    assert np.max(np.abs(o - exact)) <= np.max(np.abs(exact)) * ROUNDING(np.float32, 150)


def test_long_runs_of_gates_lose_no_digits_in_chunks(rng):
    """The sum of 4000 logarithms is about -12000; the newest keys still have their own weights."""
    q, k, v = rng.standard_normal((3, 4000, 4)).astype("float32")
    omega, gate = tamed(rng.standard_normal((8, 4))).astype("float32"), rng.standard_normal(4000).astype("float32") - 3
    o = fa.random_feature_attention(q, k, v, omega, None, gate, causal=True)
    last = slice(3900, None)
    exact = fa.random_feature_attention(
        *(x[last].astype("float64") for x in (q, k, v)),
        omega.astype("float64"),
        None,
        gate[last].astype("float64"),
        causal=True,
    )
    assert np.max(np.abs(o[last] - exact)[50:]) <= np.max(np.abs(exact)) * ROUNDING(np.float32, 100)


@FORMS
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("gated", [False, True])
def test_a_hidden_key_is_as_good_as_absent_whatever_it_holds(form, causal, gated, rng):
    q, k, v = rng.standard_normal((3, 6, 4))
    omega, gate = tamed(rng.standard_normal((8, 4))), rng.standard_normal(6)
    shown = np.array([True, False, True, True, False, True])
    gates = (None, gate[shown]) if gated else ()
    want = fa.random_feature_attention(q, k[shown], v[shown], omega, *gates, form=form)
    k[~shown], v[~shown], gate[~shown] = np.nan, np.inf, np.nan
    gates = (None, gate) if gated else ()
    got = fa.random_feature_attention(q, k, v, omega, *gates, mask=shown, causal=causal, form=form)
    rows = [5] if causal else slice(None)  # the last one sees them all
    assert np.max(np.abs(got - want)[rows]) <= np.max(np.abs(want)) * ROUNDING(np.float64, 10)


@FORMS
@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize(("n", "m"), [(300, 7), (7, 300)])
def test_lengths_may_differ(form, gated, n, m, rng):
    """The last queries of a long sequence are those of a short one; those before the first key get zeros."""
    size = max(n, m)
    q, k, v = rng.standard_normal((3, size, 4))
    omega, gate = tamed(rng.standard_normal((5, 4))), rng.standard_normal(size)
    gates = (None, gate[size - m :]) if gated else ()
    got = fa.random_feature_attention(
        q[size - n :], k[size - m :], v[size - m :], omega, *gates, causal=True, form=form
    )
    blind = max(n - m, 0)
    np.testing.assert_array_equal(got[:blind], np.zeros((blind, 4)))
    start = size - min(n, m) if n > m else 0
    gates = (None, gate[start:]) if gated else ()
    want = fa.random_feature_attention(q[start:], k[start:], v[start:], omega, *gates, causal=True, form=form)
    assert np.max(np.abs(got[-7:] - want[-7:])) <= np.max(np.abs(want)) * ROUNDING(np.float64, 300)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"features": "relu"}, "features must be 'gaussian' or 'arccos', got 'relu'"),
        ({"omega": np.ones((5, 4)), "rng": 0}, "rng must be None where omega is given"),
        ({"omega": np.ones((5, 3))}, "axis 'd' is 4"),
        ({"sigma": np.ones(3)}, "axis 'd' is 4"),
        ({"gate": np.ones(5)}, "axis 'm' is 6"),
        ({"directions": "all"}, "directions must be 'orthogonal' or 'iid' or 'hadamard', got 'all'"),
        ({"mask": np.ones((6, 6), dtype=bool)}, "mask must hide a key from all queries or from none"),
        ({"rank": -1}, "rank must be a positive integer, got -1"),
    ],
)
def test_nonsense_is_refused_by_name(options, words):
    with pytest.raises(ValueError, match=words):
        fa.random_feature_attention(*np.ones((3, 6, 4)), **options)


def test_what_is_left_out_is_drawn_independent(rng):
    q, k, v = rng.standard_normal((3, 10, 4))
    omega = fa.factor.iid_gaussian(6, 4, rng=3)
    np.testing.assert_array_equal(
        fa.random_feature_attention(q, k, v, rank=6, rng=3), fa.random_feature_attention(q, k, v, omega)
    )


@FORMS
@settings(deadline=None)
@given(
    n=sizes,
    m=sizes,
    d=sizes,
    e=sizes,
    r=sizes,
    seed=seeds,
    features=st.sampled_from(["gaussian", "arccos"]),
    stretched=st.booleans(),
    gated=st.booleans(),
    masked=st.booleans(),
    causal=st.booleans(),
)
def test_random_feature_attention_is_the_paper(form, n, m, d, e, r, seed, features, stretched, gated, masked, causal):
    q, k, v, omega, sigma, gate, chance = draw(seed, (n, d), (m, d), (m, e), (r, d), (d,), (m,), (m,))
    sigma, gate = np.tanh(sigma) if stretched else None, gate if gated else None
    shown = chance > -0.5 if masked else None
    given = q, k, v, tamed(omega), sigma, gate
    options = {"features": features, "causal": causal}
    got = fa.random_feature_attention(*given, mask=shown, form=form, **options)
    want = random_feature.random_feature_attention(*lists(*given), shown=shown, **options)
    agree(got, want, d + m + r)


@FORMS
@pytest.mark.parametrize("causal", [False, True])
def test_random_feature_attention_with_standard_directions_is_the_paper(form, causal):
    q, k, v, omega, gate = draw(5, (6, 3), (8, 3), (8, 2), (64, 3), (8,))
    got = fa.random_feature_attention(q, k, v, omega, None, gate, causal=causal, form=form)
    want = random_feature.random_feature_attention(*lists(q, k, v, omega, None, gate), causal=causal)
    agree(got, want, 3 + 8 + 64)
