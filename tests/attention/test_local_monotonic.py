"""Facts about local attention with monotonic alignment."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, draw, lists, local_monotonic, score, seeds, sizes

import factorattn as fa
from factorattn.score import additive, cosine, general, location

FORMS = fa.local_monotonic_attention.record.forms
lengths = st.integers(1, 25)


@pytest.mark.parametrize("form", FORMS)
@settings(deadline=None)
@given(
    n=lengths, m=lengths, d=sizes, e=sizes, w=st.integers(1, 6), seed=seeds, causal=st.booleans(), masked=st.booleans()
)
def test_local_monotonic_attention_is_the_paper(form, n, m, d, e, w, seed, causal, masked):
    q, k, v, chance = draw(seed, (n, d), (m, d), (m, e), (n, m))
    mask = chance > -0.5 if masked else None
    got = fa.local_monotonic_attention(q, k, v, window=w, mask=mask, causal=causal, form=form)
    a = score.dot(*lists(q, k))
    want = local_monotonic.local_monotonic_attention(a, v.tolist(), window=w, mask=mask, causal=causal)
    agree(got, want, d + w)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("n", "m", "w"), [(200, 200, 4), (200, 90, 3), (60, 300, 65), (5, 300, 1), (300, 5, 1)])
def test_a_query_sees_the_keys_around_its_own_position(form, n, m, w):
    got = fa.local_monotonic_attention(np.zeros((n, 1)), np.zeros((m, 1)), np.eye(m), window=w, form=form)
    near = np.abs(np.arange(n)[:, None] - np.arange(m)) <= w
    np.testing.assert_array_equal(got > 0, near)


@pytest.mark.parametrize("form", FORMS)
def test_scores_with_learned_arrays_and_keys_of_another_width(form, rng):
    q, k, v = rng.standard_normal((2, 70, 4)), rng.standard_normal((2, 80, 6)), rng.standard_normal((2, 80, 3))
    bilinear = partial(general, w=rng.standard_normal((4, 6)))
    network = partial(
        additive, w_q=rng.standard_normal((5, 4)), w_k=rng.standard_normal((5, 6)), w=rng.standard_normal(5)
    )
    near = np.abs(np.arange(70)[:, None] - np.arange(80)) <= 7
    for a in (bilinear, network):
        got = fa.local_monotonic_attention(q, k, v, window=7, score=a, form=form)
        agree(got, fa.general_attention(q, k, v, score=a, mask=near), 30)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", [(150, 150), (1, 150), (150, 1), (1, 1), (2, 150, 150), (2, 1, 150)])
def test_masks_of_every_shape(form, shape, rng):
    q, k, v = rng.standard_normal((3, 2, 150, 4))
    mask = rng.random(shape) < 0.6
    near = np.abs(np.arange(150)[:, None] - np.arange(150)) <= 6
    got = fa.local_monotonic_attention(q, k, v, window=6, mask=mask, form=form)
    agree(got, fa.general_attention(q, k, v, score="dot", mask=mask & near), 17)


@pytest.mark.parametrize("form", FORMS)
def test_keys_outside_the_window_do_not_matter_whatever_they_hold(form, rng):
    q, k, v = rng.standard_normal((3, 100, 4))
    clean = fa.local_monotonic_attention(q, k, v, window=5, form=form)
    k[[0, 50]], v[[0, 50]] = np.nan, np.inf
    got = fa.local_monotonic_attention(q, k, v, window=5, form=form)
    far = (np.arange(100) > 5) & (np.abs(np.arange(100) - 50) > 5)
    np.testing.assert_array_equal(got[far], clean[far])
    assert np.all(np.isnan(got[~far]))


def test_batches_of_keys_and_of_queries_broadcast(rng):
    q, k, v = rng.standard_normal((3, 1, 70, 4)), rng.standard_normal((2, 70, 4)), rng.standard_normal((70, 5))
    got = fa.local_monotonic_attention(q, k, v, window=5)
    assert got.shape == (3, 2, 70, 5)
    agree(got[2, 1], fa.local_monotonic_attention(q[2, 0], k[1], v, window=5), 15)


def test_cost_follows_the_pairs_and_not_the_square():
    sizes = {"n": 2**14, "m": 2**14, "d": 64, "e": 64, "w": 16}
    more = {**sizes, "n": 2**16, "m": 2**16}
    small, large = (fa.cost(fa.local_monotonic_attention, at) for at in (sizes, more))
    assert large.flops <= 4 * small.flops
    assert large.peak <= 4 * small.peak


@pytest.mark.parametrize("window", [0, -1, 1.5, None])
def test_a_window_that_is_none_is_refused(window):
    with pytest.raises(ValueError, match="window must be a positive integer"):
        fa.local_monotonic_attention(*np.ones((3, 2, 2)), window=window)


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
    got = fa.local_monotonic_attention(q, k, v, window=2, score=score, form=form)
    near = np.abs(np.arange(n)[:, None] - np.arange(30)) <= 2
    agree(got, fa.general_attention(q, k, v, score=score, mask=near, form="dense"), 20)


@pytest.mark.parametrize(("n", "window"), [(8, 2), (100, 2), (8, 20)])
def test_scores_that_cannot_be_gathered_are_refused(n, window, rng):
    q, k, v, w, beta = *rng.standard_normal((3, n, 4)), rng.standard_normal((n, 4)), rng.standard_normal(n)
    for own, name in ((partial(cosine, beta=beta), "beta"), (partial(location, w=w), "w")):
        with pytest.raises(ValueError, match=f"form must be 'dense' for a score with a number for each .*: {name}$"):
            fa.local_monotonic_attention(q, k, v, window=window, score=own)
        near = np.abs(np.arange(n)[:, None] - np.arange(n)) <= window
        got = fa.local_monotonic_attention(q, k, v, window=window, score=own, form="dense")
        agree(got, fa.general_attention(q, k, v, score=own, mask=near), 20)


@pytest.mark.parametrize(
    ("score", "words"),
    [
        (lambda q, k: q @ k.mT * np.arange(50.0)[:, None], r"got \(50, 1\); form 'dense'"),
        (lambda q, k: q @ k.mT + np.arange(50.0), r"got \(1, 50\); form 'dense'"),
        (lambda q, k: -np.sum(k * k, axis=-1)[None, :], r"got \(1, 50, 6\); form 'dense'"),
        (lambda q, k: (q @ k.mT)[None], "for a score that does not keep batch axes"),
    ],
)
def test_functions_that_do_not_score_a_query_by_itself_are_refused(score, words, rng):
    q, k, v = rng.standard_normal((3, 50, 4))
    with pytest.raises(ValueError, match=words):
        fa.local_monotonic_attention(q, k, v, window=2, score=score)
    assert fa.local_monotonic_attention(q, k, v, window=2, score=score, form="dense").shape[-2:] == (50, 4)
