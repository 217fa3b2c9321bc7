"""Facts about Performer: stability where features under- and overflow, randomness, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, draw, lists, performer, seeds, sizes

import factorattn as fa
from factorattn.testing import CHANCE, ROUNDING

FORMS = pytest.mark.parametrize("form", fa.performer_attention.record.forms)


def weights(q, k, omega, **options):
    """The normalised weights: the output where the values are unit vectors."""
    return fa.performer_attention(q, k, np.eye(k.shape[-2]), omega, **options)


@FORMS
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_long_queries_and_keys_neither_overflow_nor_vanish(form, causal, dtype, rng):
    q, k, v, omega = (x.astype(dtype) for x in rng.standard_normal((4, 20, 16)))
    o = fa.performer_attention(50 * q, 50 * k, v, omega, causal=causal, form=form)
    assert np.all(np.isfinite(o))
    assert np.all(np.abs(o) <= np.max(np.abs(v)) * (1 + ROUNDING(dtype, 20)))  # means of values


@FORMS
def test_a_faint_first_key_does_not_drown_the_later_ones(form):
    """Log scales that grow along the sequence by thousands: each row is ruled by its newest key."""
    lengths = np.sqrt(np.arange(8.0)[::-1] * 2000)
    k = np.stack([lengths, np.zeros(8)], axis=1)
    p = weights(np.zeros((8, 2)), k, np.zeros((3, 2)), causal=True, scale=1.0, form=form)
    np.testing.assert_array_equal(p, np.eye(8))


@FORMS
def test_positive_features_give_positive_weights(form, rng):
    assert np.all(weights(*rng.standard_normal((2, 30, 4)), rng.standard_normal((8, 4)), form=form) > 0)


@pytest.mark.parametrize("features", ["positive", "trigonometric"])
def test_unnormalised_weight_is_unbiased(features, rng):
    """The inner product of the features of x and y has the mean exp(x . y)."""
    from factorattn.factor import orthogonal_gaussian, positive_features, trigonometric_features

    phi = {"positive": positive_features, "trigonometric": trigonometric_features}[features]
    x, y = 0.4 * rng.standard_normal((2, 1, 6))

    def estimate():
        omega = orthogonal_gaussian(12, 6, rng=rng)
        (f, s), (g, t) = phi(x, omega, xp=np), phi(y, omega, xp=np)
        return float((f @ g.T * np.exp(s + t))[0, 0])

    draws = np.array([estimate() for _ in range(4000)])
    assert abs(draws.mean() - np.exp(x @ y.T)[0, 0]) <= CHANCE(draws)


def test_same_seed_same_output_and_no_global_state(rng):
    q, k, v = rng.standard_normal((3, 10, 4))
    state = np.random.get_state()[1].copy()  # noqa: NPY002 - to see that it is left alone
    first, again, other = (fa.performer_attention(q, k, v, rng=seed) for seed in (7, 7, 8))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    np.testing.assert_array_equal(state, np.random.get_state()[1])  # noqa: NPY002


def test_same_draw_on_every_namespace(rng):
    strict = pytest.importorskip("array_api_strict")
    q, k, v = rng.standard_normal((3, 10, 4))
    there = fa.performer_attention(*(strict.asarray(x) for x in (q, k, v)), rng=3)
    here = fa.performer_attention(q, k, v, rng=3)
    assert np.max(np.abs(np.asarray(there) - here)) <= np.max(np.abs(here)) * ROUNDING(np.float64, 10)


def test_default_rank_is_d_log_d(rng):
    q, k, v = rng.standard_normal((3, 10, 16))
    np.testing.assert_array_equal(
        fa.performer_attention(q, k, v, rng=1), fa.performer_attention(q, k, v, rng=1, rank=45)
    )


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"omega": np.ones((5, 3))}, ValueError, r"axis 'd' is 4 .* but 3 in omega \(5, 3\)"),
        ({"omega": np.ones((5, 4)), "rank": 6}, ValueError, r"axis 'r' is 5 in omega \(5, 4\) but 6 in rank=6"),
        ({"omega": np.ones((5, 4)), "rng": 0}, ValueError, "rng must be None where omega is given"),
        ({"rank": 0}, ValueError, "rank must be a positive integer, got 0"),
        ({"rank": 2.5}, ValueError, "rank must be a positive integer, got 2.5"),
        ({"scale": -1.0}, ValueError, "scale must be positive, got -1.0"),
        ({"features": "cosine"}, ValueError, "features must be 'positive' or 'trigonometric', got 'cosine'"),
    ],
)
def test_nonsense_is_refused_by_name(options, error, words):
    with pytest.raises(error, match=words):
        fa.performer_attention(*np.ones((3, 6, 4)), **options)


@pytest.mark.parametrize("form", fa.performer_attention.record.forms)
@settings(deadline=None)
@given(
    n=sizes, m=sizes, d=sizes, e=sizes, r=sizes, seed=seeds, causal=st.booleans(), scale=st.none() | st.floats(0.1, 2)
)
def test_performer_attention_with_positive_features_is_the_paper(form, n, m, d, e, r, seed, causal, scale):
    q, k, v, omega = draw(seed, (n, d), (m, d), (m, e), (r, d))
    got = fa.performer_attention(q, k, v, omega, causal=causal, scale=scale, form=form)
    agree(got, performer.performer_attention(*lists(q, k, v, omega), causal=causal, scale=scale), d + m + r)


@pytest.mark.parametrize("form", fa.performer_attention.record.forms)
@pytest.mark.parametrize("causal", [False, True])
def test_performer_attention_with_trigonometric_features_is_the_paper(form, causal):
    q, k, v, omega = draw(5, (6, 3), (8, 3), (8, 2), (64, 3))  # enough features for denominators well above zero
    got = fa.performer_attention(q, k, v, omega, features="trigonometric", causal=causal, form=form)
    want = performer.performer_attention(*lists(q, k, v, omega), features="trigonometric", causal=causal)
    agree(got, want, 3 + 8 + 64)
