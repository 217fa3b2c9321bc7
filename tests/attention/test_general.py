"""Facts about general attention: every score, every distribution, and what cannot be."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, distribution, draw, general, lists, score, seeds, sizes

import factorattn as fa
from factorattn.distribution import DISTRIBUTIONS, entmax, multinoulli, sinkhorn, softmax, softmax_one, top_k
from factorattn.score import SCORES, additive, cosine, location, location_aware

FORMS = fa.general_attention.record.forms
DRAWN = {  # each distribution: options, and the oracle with the same ones
    "softmax": (DISTRIBUTIONS["softmax"], distribution.softmax),
    "sigmoid": ("sigmoid", distribution.sigmoid),
    "sparsemax": ("sparsemax", distribution.sparsemax),
    "hard": ("hard", distribution.hard),
    "softmax_one": ("softmax_one", distribution.softmax_one),
    "top_k": (partial(top_k, k=2), partial(distribution.top_k, k=2)),
}


@pytest.mark.parametrize("name", DRAWN)
@pytest.mark.parametrize("form", FORMS)
@settings(deadline=None, max_examples=40)
@given(n=sizes, m=sizes, d=sizes, e=sizes, seed=seeds, causal=st.booleans(), masked=st.booleans(), biased=st.booleans())
def test_general_attention_is_the_model(form, name, n, m, d, e, seed, causal, masked, biased):
    p, p_of_lists = DRAWN[name]
    q, k, v, chance, bias = draw(seed, (n, d), (m, d), (m, e), (n, m), (n, m))
    mask, bias = chance > -0.5 if masked else None, bias if biased else None
    got = fa.general_attention(q, k, v, distribution=p, mask=mask, bias=bias, causal=causal, form=form)
    a = score.scaled_dot(*lists(q, k))
    want = general.general_attention(a, v.tolist(), p_of_lists, mask=mask, bias=bias, causal=causal)
    agree(got, want, d + m)


PLAIN = {
    "dot": score.dot,
    "scaled_dot": score.scaled_dot,
    "cosine": score.cosine,
    "euclidean": score.euclidean,
    "gaussian": score.gaussian,
}


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("form", FORMS)
@settings(deadline=None, max_examples=20)
@given(n=sizes, m=sizes, d=sizes, e=sizes, seed=seeds)
def test_every_score_that_needs_nothing_else_has_a_name(form, name, n, m, d, e, seed):
    q, k, v = draw(seed, (n, d), (m, d), (m, e))
    want = general.general_attention(PLAIN[name](*lists(q, k)), v.tolist(), distribution.softmax)
    agree(fa.general_attention(q, k, v, score=name, form=form), want, d + m)


@pytest.mark.parametrize("causal", [False, True])
def test_masks_and_biases_of_every_shape_across_tiles(causal, rng):
    q, k, v = rng.standard_normal((2, 600, 4)), rng.standard_normal((2, 600, 4)), rng.standard_normal((2, 600, 3))
    for shape in ((600, 600), (1, 600), (600, 1), (600,), (2, 1, 600), (2, 600, 600)):
        options = {"mask": rng.random(shape) < 0.7, "bias": rng.standard_normal(shape), "causal": causal}
        agree(fa.general_attention(q, k, v, **options), fa.softmax_attention(q, k, v, **options), 600)


@pytest.mark.parametrize("form", FORMS)
def test_learned_arrays_come_with_partial_and_keys_may_have_another_width(form, rng):
    q, k, v = rng.standard_normal((2, 300, 4)), rng.standard_normal((2, 20, 6)), rng.standard_normal((2, 20, 3))
    model = dict(zip(("w_q", "w_k"), (rng.standard_normal((5, 4)), rng.standard_normal((5, 6))), strict=True))
    model["w"] = rng.standard_normal(5)
    got = fa.general_attention(
        q, k, v, score=partial(additive, **model), distribution=partial(entmax, alpha=1.5), form=form
    )
    agree(got, entmax(additive(q, k, **model)) @ v, 26)
    with pytest.raises(ValueError, match="axis 'd' is 4 in q"):
        fa.general_attention(q, k, v, form=form)


@pytest.mark.parametrize("form", FORMS)
def test_functions_of_yours_will_do(form, rng):
    q, k, v = rng.standard_normal((3, 300, 4))
    got = fa.general_attention(
        q, k, v, score=lambda q, k: -np.sum(k * k, axis=-1)[None, :], distribution=lambda a: np.exp(a), form=form
    )
    agree(got, np.broadcast_to(np.exp(-np.sum(k * k, axis=-1)) @ v, (300, 4)), 300)


def test_a_distribution_that_looks_across_queries_needs_all_of_them(rng):
    q, k, v = rng.standard_normal((3, 9, 4))
    agree(fa.general_attention(q, k, v, distribution="sinkhorn", form="dense"), sinkhorn(q @ k.T / 2) @ v, 27)
    for across in ("sinkhorn", partial(sinkhorn, rounds=5), partial(partial(sinkhorn), rounds=1)):
        with pytest.raises(ValueError, match="form must be 'dense' for a distribution that may look across queries"):
            fa.general_attention(q, k, v, distribution=across)
        with pytest.raises(ValueError, match="causal must be False for a distribution that may look across"):
            fa.general_attention(q, k, v, distribution=across, causal=True, form="dense")


@pytest.mark.parametrize("form", FORMS)
def test_a_row_that_sees_no_key_is_zero_and_poison_stays_hidden(form, rng):
    q, k, v = rng.standard_normal((3, 6, 4))
    k[4], v[4] = np.nan, np.inf
    mask = np.ones((6, 6), dtype=bool)
    mask[:, 4], mask[2] = False, False
    for p in ("softmax", "sparsemax", "sigmoid", "hard"):
        got = fa.general_attention(q, k, v, mask=mask, distribution=p, form=form)
        np.testing.assert_array_equal(got[2], 0.0)
        assert np.all(np.isfinite(got))


def test_names_of_what_needs_more_are_refused_with_those_that_do_not():
    q = k = v = np.ones((2, 3))
    with pytest.raises(ValueError, match=r"score must be .*'cosine' or 'dot'.*, got 'general'"):
        fa.general_attention(q, k, v, score="general")
    with pytest.raises(ValueError, match=r"distribution must be .*'softmax'.*, got 'top_k'"):
        fa.general_attention(q, k, v, distribution="top_k")
    with pytest.raises(ValueError, match="score must be"):
        fa.general_attention(q, k, v, score=3)


def test_names_are_those_that_run_with_nothing_else(rng):
    q, k, v = rng.standard_normal((3, 4, 4))
    runs = []
    for name in SCORES:
        try:
            fa.general_attention(q, k, v, score=name)
            runs.append(name)
        except ValueError:
            pass
    assert runs == ["cosine", "dot", "euclidean", "gaussian", "kernel", "scaled_dot"]


def test_a_score_without_queries_reaches_all_of_them(rng):
    q, k, v, w = (
        rng.standard_normal((5, 4)),
        rng.standard_normal((7, 4)),
        rng.standard_normal((7, 3)),
        rng.standard_normal((7, 4)),
    )
    got = fa.general_attention(q, k, v, score=partial(location, w=w))
    agree(got, DISTRIBUTIONS["softmax"](q @ w.T) @ v, 11)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("n", [1, 256, 600])
def test_arrays_with_an_axis_of_queries_are_cut_to_the_tile(form, n, rng):
    q, k, v = rng.standard_normal((2, n, 4)), rng.standard_normal((2, 9, 4)), rng.standard_normal((2, 9, 3))
    scores = q @ k.mT / 2
    for shape in ((n,), (2, n), (2, 1)):
        beta, alpha = 3 * rng.random((2, n)), 1 + rng.random(shape)
        got = fa.general_attention(q, k, v, score=partial(cosine, beta=beta), form=form)
        agree(got, softmax(cosine(q, k, beta)) @ v, 13)
        got = fa.general_attention(q, k, v, distribution=partial(entmax, alpha=alpha), form=form)
        agree(got, entmax(scores, np.broadcast_to(alpha, (2, n))) @ v, 13)
        got = fa.general_attention(q, k, v, distribution=partial(softmax_one, sink=alpha), form=form)
        agree(got, softmax_one(scores, alpha) @ v, 13)
    drawn = multinoulli(scores, beta / 3) @ v
    agree(fa.general_attention(q, k, v, distribution=partial(multinoulli, uniform=beta / 3), form=form), drawn, 13)


@pytest.mark.parametrize("form", FORMS)
def test_a_table_of_pairs_in_a_score_is_cut_by_its_rows(form, rng):
    q, k, v = rng.standard_normal((300, 4)), rng.standard_normal((9, 4)), rng.standard_normal((9, 3))
    model = {
        "previous": rng.random((300, 9)),
        "filters": rng.standard_normal((2, 3)),
        "w_q": rng.standard_normal((5, 4)),
        "w_k": rng.standard_normal((5, 4)),
        "w_f": rng.standard_normal((5, 2)),
        "w": rng.standard_normal(5),
    }
    got = fa.general_attention(q, k, v, score=partial(location_aware, **model), form=form)
    agree(got, softmax(location_aware(q, k, **model)) @ v, 20)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("n", [5, 600])
def test_arrays_with_another_number_of_queries_are_refused_by_name(form, n):
    q = k = v = np.ones((n, 3))
    for size in (n - 1, n + 1):
        with pytest.raises(ValueError, match=f"beta of the score must have {n} queries along axis -1, got {size}"):
            fa.general_attention(q, k, v, score=partial(cosine, beta=np.ones(size)), form=form)
        with pytest.raises(ValueError, match=f"alpha of the distribution must have {n} queries .* got {size}"):
            fa.general_attention(q, k, v, distribution=partial(entmax, alpha=np.full(size, 1.5)), form=form)


def test_a_score_that_keeps_all_queries_to_itself_is_refused():
    q = k = v = np.ones((600, 3))
    with pytest.raises(ValueError, match=r"score must return shape \(..., 256, 600\) .* got \(600, 600\)"):
        fa.general_attention(q, k, v, score=lambda *_: np.ones((600, 600)))


@pytest.mark.parametrize("n", [5, 600])
def test_a_seed_would_draw_the_same_for_every_tile(n):
    q = k = v = np.ones((n, 3))
    with pytest.raises(ValueError, match="form must be 'dense' for a distribution with rng"):
        fa.general_attention(q, k, v, distribution=partial(multinoulli, rng=0))
    assert fa.general_attention(q, k, v, distribution=partial(multinoulli, rng=0), form="dense").shape == (n, 3)
