"""Facts about hard attention: one key, the best or a drawn one."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, draw, hard, lists, score, seeds, sizes

import factorattn as fa
from factorattn.score import additive, cosine
from factorattn.testing import CHANCE

FORMS = fa.hard_attention.record.forms


@pytest.mark.parametrize("form", FORMS)
@settings(deadline=None)
@given(n=sizes, m=sizes, d=sizes, e=sizes, seed=seeds, causal=st.booleans(), masked=st.booleans(), sample=st.booleans())
def test_hard_attention_is_the_paper(form, n, m, d, e, seed, causal, masked, sample):
    q, k, v, chance = draw(seed, (n, d), (m, d), (m, e), (n, m))
    u = np.random.default_rng(seed).random(n) if sample else None
    mask = chance > -0.5 if masked else None
    got = fa.hard_attention(q, k, v, u, mask=mask, causal=causal, form=form)
    a = score.scaled_dot(*lists(q, k))
    agree(got, hard.hard_attention(a, v.tolist(), None if u is None else u.tolist(), mask=mask, causal=causal), 1)


@pytest.mark.parametrize("form", FORMS)
def test_the_first_of_equals_is_taken(form):
    v = np.array([[1.0], [2.0], [3.0]])
    for scores, want in (([0.0, 1.0, 1.0], 2.0), ([1.0, 1.0, 1.0], 1.0), ([-1.0, -2.0, 0.5], 3.0)):
        got = fa.hard_attention(np.ones((1, 1)), np.array(scores)[:, None], v, form=form)
        np.testing.assert_array_equal(got, [[want]])


@pytest.mark.parametrize("form", FORMS)
def test_the_mean_over_draws_is_soft_attention(form, rng):
    q, k, v = rng.standard_normal((1, 3)), rng.standard_normal((5, 3)), rng.standard_normal((5, 2))
    draws = fa.hard_attention(np.broadcast_to(q, (20_000, 3)), k, v, rng=3, form=form)
    want = fa.softmax_attention(q, k, v)[0]
    for x in range(2):
        assert abs(np.mean(draws[:, x]) - want[x]) <= CHANCE(draws[:, x])


def test_the_seed_decides_in_every_form_and_tile(rng):
    q, k, v = rng.standard_normal((3, 2, 700, 4))
    one = fa.hard_attention(q, k, v, rng=5)
    np.testing.assert_array_equal(one, fa.hard_attention(q, k, v, rng=5, form="dense"))
    u = np.random.default_rng(5).random((2, 700))
    np.testing.assert_array_equal(one, fa.hard_attention(q, k, v, u))
    assert np.any(one != fa.hard_attention(q, k, v, rng=6))


@pytest.mark.parametrize("form", FORMS)
def test_values_that_are_not_chosen_do_not_matter(form, rng):
    q, k, v = rng.standard_normal((3, 9, 4))
    chosen = np.isin(np.arange(9), np.argmax(q @ k.T, axis=-1))
    poisoned = np.where(chosen[:, None], v, np.nan)
    np.testing.assert_array_equal(fa.hard_attention(q, k, poisoned, form=form), fa.hard_attention(q, k, v, form=form))


@pytest.mark.parametrize("form", FORMS)
def test_a_row_that_sees_no_key_is_zero_and_nan_in_a_query_stays_in_its_row(form, rng):
    q, k, v = rng.standard_normal((3, 6, 4))
    mask = np.ones((6, 6), dtype=bool)
    mask[2] = False
    q[4] = np.nan
    for options in ({}, {"rng": 0}):
        got = fa.hard_attention(q, k, v, mask=mask, form=form, **options)
        np.testing.assert_array_equal(got[2], 0.0)
        np.testing.assert_array_equal(np.isnan(got), np.arange(6)[:, None] == np.full(4, 4))


@pytest.mark.parametrize("form", FORMS)
def test_a_number_that_is_nan_draws_no_key(form, rng):
    q, k, v = rng.standard_normal((3, 6, 4))
    u = rng.random(6)
    want = fa.hard_attention(q, k, v, u, form=form)
    got = fa.hard_attention(q, k, v, np.where(np.arange(6) == 2, np.nan, u), form=form)
    assert np.all(np.isnan(got[2]))
    np.testing.assert_array_equal(np.delete(got, 2, axis=0), np.delete(want, 2, axis=0))


@pytest.mark.parametrize("n", [200, 600])
def test_arrays_of_a_score_with_an_axis_of_queries_are_cut_to_the_tile(n, rng):
    q, k, v, beta = *rng.standard_normal((3, n, 4)), rng.standard_normal(n)
    want = v[np.argmax(cosine(q, k, beta), axis=-1)]
    for form in FORMS:
        np.testing.assert_array_equal(fa.hard_attention(q, k, v, score=partial(cosine, beta=beta), form=form), want)


@pytest.mark.parametrize("form", FORMS)
def test_hidden_keys_are_never_chosen_nor_drawn(form, rng):
    q, k, v = rng.standard_normal((3, 50, 4))
    k[::2], v[::2] = 100.0, np.nan
    seen = (np.arange(50) % 2 == 1)[None, :]
    want = fa.hard_attention(q, k[1::2], v[1::2], form=form)
    np.testing.assert_array_equal(fa.hard_attention(q, k, v, mask=seen, form=form), want)
    bias = np.where(seen, 0.0, -np.inf)
    u = np.linspace(-1, 2, 50)
    want = fa.hard_attention(q, k[1::2], v[1::2], u, form=form)
    np.testing.assert_array_equal(fa.hard_attention(q, k, v, u, bias=bias, form=form), want)


@pytest.mark.parametrize("shape", [(600, 600), (1, 600), (600, 1), (2, 600, 600)])
def test_masks_of_every_shape_across_tiles(shape, rng):
    q, k, v = rng.standard_normal((3, 2, 600, 4))
    mask = rng.random(shape) < 0.5
    for options in ({}, {"rng": 2}, {"causal": True}):
        want = fa.hard_attention(q, k, v, mask=mask, form="dense", **options)
        np.testing.assert_array_equal(fa.hard_attention(q, k, v, mask=mask, **options), want)
    largest = np.argmax(np.where(mask, q @ k.mT, -np.inf), axis=-1)[..., None]
    seen = np.any(np.broadcast_to(mask, (2, 600, 600)), axis=-1, keepdims=True)
    want = np.where(seen, np.take_along_axis(v, largest, axis=-2), 0.0)
    np.testing.assert_array_equal(fa.hard_attention(q, k, v, mask=mask), want)


def test_the_score_of_the_paper_is_a_network(rng):
    q, k, v = rng.standard_normal((5, 3)), rng.standard_normal((6, 2)), rng.standard_normal((6, 4))
    model = {"w_q": rng.standard_normal((7, 3)), "w_k": rng.standard_normal((7, 2)), "w": rng.standard_normal(7)}
    got = fa.hard_attention(q, k, v, score=partial(additive, **model))
    np.testing.assert_array_equal(got, v[np.argmax(additive(q, k, **model), axis=-1)])


def test_values_with_batch_axes_of_their_own(rng):
    q, k, v = rng.standard_normal((5, 3)), rng.standard_normal((6, 3)), rng.standard_normal((4, 6, 2))
    for form in FORMS:
        got = fa.hard_attention(q, k, v, rng=1, form=form)
        for member in range(4):
            np.testing.assert_array_equal(got[member], fa.hard_attention(q, k, v[member], rng=1, form=form))


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"u": np.ones(2), "rng": 0}, ValueError, "rng must be None where u is given"),
        ({"u": np.ones(2), "sample": False}, ValueError, "sample must be True where u or rng is given"),
        ({"rng": 0, "sample": False}, ValueError, "sample must be True"),
        ({"sample": "yes"}, TypeError, "sample must be True or False"),
        ({"u": np.ones(3)}, ValueError, "axis 'n' is 2 in q"),
        ({"score": "additive"}, ValueError, "score must be"),
    ],
)
def test_nonsense_is_refused_by_name(options, error, words):
    with pytest.raises(error, match=words):
        fa.hard_attention(*np.ones((3, 2, 2)), **options)


def test_asked_to_sample_it_draws_without_a_seed(rng):
    q = k = np.zeros((200, 1))
    got = fa.hard_attention(q, k, np.arange(200.0)[:, None], sample=True)
    assert len(np.unique(got)) > 1
