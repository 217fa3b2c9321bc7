"""Facts about local attention with predictive alignment."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, draw, lists, local_predictive, score, seeds, sizes

import factorattn as fa
from factorattn.score import additive, general

FORMS = fa.local_predictive_attention.record.forms
lengths = st.integers(1, 25)


@pytest.mark.parametrize("form", FORMS)
@settings(deadline=None)
@given(
    n=lengths,
    m=lengths,
    d=sizes,
    e=sizes,
    a=sizes,
    w=st.integers(1, 6),
    sigma=st.none() | st.floats(0.5, 9),
    seed=seeds,
    causal=st.booleans(),
    masked=st.booleans(),
    padded=st.booleans(),
)
def test_local_predictive_attention_is_the_paper(form, n, m, d, e, a, w, sigma, seed, causal, masked, padded):
    q, k, v, w_p, v_p, chance = draw(seed, (n, d), (m, d), (m, e), (a, d), (a,), (n, m))
    mask = chance > -0.5 if masked else None
    real = np.random.default_rng(seed).uniform(0, m, n) if padded else None
    options = {"window": w, "sigma": sigma, "mask": mask, "causal": causal}
    got = fa.local_predictive_attention(q, k, v, w_p, v_p, real, form=form, **options)
    scores = score.dot(*lists(q, k))
    want = local_predictive.local_predictive_attention(*lists(q), scores, *lists(v, w_p, v_p, real), **options)
    agree(got, want, d * a + w)


def at(position, m):
    """Query and predictor for which p is a given position: tanh(W_p q) = 1, and v_p the logit of position / m."""
    return np.array([[30.0]]), np.ones((1, 1)), np.array([np.log(position / (m - position))])


@pytest.mark.parametrize("form", FORMS)
def test_weights_by_hand(form):
    m = 64
    q, w_p, v_p = at(16.0, m)
    got = fa.local_predictive_attention(q, np.zeros((m, 1)), np.eye(m), w_p, v_p, window=2, form=form)
    want = np.zeros((1, m))
    want[0, 14:19] = np.exp(-np.array([4, 1, 0, 1, 4]) / 2) / 5  # sigma = 1, and five keys share
    agree(got, want, 5)


@pytest.mark.parametrize("form", FORMS)
def test_a_position_between_two_keys_has_a_window_of_one_key_less(form):
    m = 64
    q, w_p, v_p = at(16.5, m)
    got = fa.local_predictive_attention(q, np.zeros((m, 1)), np.eye(m), w_p, v_p, window=2, form=form)
    np.testing.assert_array_equal(np.nonzero(got[0])[0], [15, 16, 17, 18])


@pytest.mark.parametrize("form", FORMS)
def test_a_gaussian_as_wide_as_can_be_leaves_the_softmax_over_the_window(form, rng):
    q, k, v = rng.standard_normal((3, 100, 4))
    w_p, v_p = np.zeros((3, 4)), np.zeros(3)  # p = m / 2 for all
    got = fa.local_predictive_attention(q, k, v, w_p, v_p, window=6, sigma=1e9, form=form)
    agree(got, fa.softmax_attention(q, k[44:57], v[44:57], scale=1.0), 13)


def test_weights_sum_to_less_than_one(rng):
    q, k, w_p = rng.standard_normal((100, 4)), rng.standard_normal((100, 4)), rng.standard_normal((3, 4))
    total = fa.local_predictive_attention(q, k, np.ones((100, 1)), w_p, np.ones(3), window=6)
    assert np.all((total > 0) & (total < 1))


@pytest.mark.parametrize("form", FORMS)
def test_padding_needs_the_lengths_and_a_mask(form, rng):
    q, k, v = rng.standard_normal((3, 60, 4))
    w_p, v_p = rng.standard_normal((3, 4)), rng.standard_normal(3)
    want = fa.local_predictive_attention(q, k[:40], v[:40], w_p, v_p, window=3, form="dense")
    k[40:], v[40:] = np.nan, np.nan
    mask, real = (np.arange(60) < 40)[None, :], np.full(60, 40.0)
    agree(fa.local_predictive_attention(q, k, v, w_p, v_p, real, window=3, mask=mask, form=form), want, 10)


@pytest.mark.parametrize("form", FORMS)
def test_nan_in_a_query_or_the_predictor_is_nan_and_reaches_no_other_row(form, rng):
    q, k, v = rng.standard_normal((3, 100, 4))
    w_p, v_p = rng.standard_normal((3, 4)), rng.standard_normal(3)
    clean = fa.local_predictive_attention(q, k, v, w_p, v_p, window=5, form=form)
    q[7] = np.nan
    got = fa.local_predictive_attention(q, k, v, w_p, v_p, window=5, form=form)
    np.testing.assert_array_equal(np.isnan(got), (np.arange(100) == 7)[:, None] & np.ones(4, dtype=bool))
    np.testing.assert_array_equal(np.delete(got, 7, axis=0), np.delete(clean, 7, axis=0))
    real = np.full(100, 50.0)
    real[3] = np.nan
    assert np.all(np.isnan(fa.local_predictive_attention(q, k, v, w_p, v_p, real, window=5, form=form)[3]))


@pytest.mark.parametrize("form", FORMS)
def test_positions_far_outside_see_nothing(form, rng):
    q, k, v = rng.standard_normal((3, 100, 4))
    for real in (1e6, -1e6, 1e300):
        got = fa.local_predictive_attention(
            q, k, v, np.ones((1, 4)), np.zeros(1), np.full(100, real), window=5, form=form
        )
        np.testing.assert_array_equal(got, 0.0)


def test_cost_follows_the_pairs_and_not_the_square():
    sizes = {"n": 2**14, "m": 2**14, "d": 64, "e": 64, "a": 64, "w": 16}
    more = {**sizes, "n": 2**16, "m": 2**16}
    small, large = (fa.cost(fa.local_predictive_attention, at) for at in (sizes, more))
    assert large.flops <= 4 * small.flops
    assert large.peak <= 4 * small.peak


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"window": 0}, "window must be a positive integer"),
        ({"sigma": 0.0}, "sigma must be positive"),
        ({"sigma": np.inf}, "sigma must be finite"),
        ({"lengths": np.ones(3)}, "axis 'n' is 2 in q"),
        ({"score": "concat"}, "score must be"),
    ],
)
def test_nonsense_is_refused_by_name(options, words):
    with pytest.raises(ValueError, match=words):
        fa.local_predictive_attention(*np.ones((3, 2, 2)), np.ones((1, 2)), np.ones(1), **options)


HEADS = {  # arrays with an axis of h heads, for queries and keys of width 4
    "general": lambda rng, h: partial(general, w=rng.standard_normal((h, 4, 4))),
    "additive": lambda rng, h: partial(
        additive,
        w_q=rng.standard_normal((h, 5, 4)),
        w_k=rng.standard_normal((h, 5, 4)),
        w=rng.standard_normal((h, 5)),
        b=rng.standard_normal((h, 5)),
    ),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize(("h", "n"), [(8, 8), (3, 8), (1, 8), (5, 70), (70, 70)])
@pytest.mark.parametrize("shared", ["nothing", "queries", "keys", "both"])
def test_each_head_has_a_score_of_its_own(form, name, h, n, shared, rng):
    q = rng.standard_normal((n, 4) if shared in ("queries", "both") else (2, h, n, 4))
    k = rng.standard_normal((30, 4) if shared in ("keys", "both") else (h, 30, 4))
    v, score = rng.standard_normal((30, 3)), HEADS[name](rng, h)
    w_p, v_p = rng.standard_normal((h, 3, 4)), rng.standard_normal(3)  # each head looks elsewhere, too
    options = {"window": 2, "score": score}
    got = fa.local_predictive_attention(q, k, v, w_p, v_p, form=form, **options)
    for head in range(h):
        own = partial(score.func, **{name: array[head] for name, array in score.keywords.items()})
        alone = [x if x.ndim == 2 else x[..., head, :, :] for x in (q, k)]
        want = fa.local_predictive_attention(*alone, v, w_p[head], v_p, window=2, score=own, form="dense")
        agree(got[..., head, :, :], want, 20)
