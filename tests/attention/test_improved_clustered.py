"""Facts about improved clustered attention: which keys are exact, and that no row is worse for it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, draw, improved_clustered, lists, seeds, sizes

import factorattn as fa
from factorattn.testing import BOUND, ROUNDING

FORMS = pytest.mark.parametrize("form", fa.improved_clustered_attention.record.forms)


def close(got, want, length):
    assert got.shape == want.shape
    assert np.max(np.abs(got - want), initial=0) <= np.max(np.abs(want), initial=1) * ROUNDING(got.dtype, length)


def weights(f, q, k, *rest, **options):
    """The output where the values are unit vectors."""
    return f(q, k, np.eye(k.shape[-2]), *rest, **options)


@FORMS
def test_by_hand(form):
    """One cluster of mean 0.5; its two best keys share its mass for them as each query would have it."""
    q, k = np.asarray([[0.0], [1.0]]), np.asarray([[2.0], [0.0], [1.0]])
    got = weights(fa.improved_clustered_attention, q, k, np.ones((1, 1)), clusters=1, top=2, scale=1.0, form=form)
    rough = np.exp([1.0, 0.0, 0.5]) / np.sum(np.exp([1.0, 0.0, 0.5]))
    mass, rest = rough[0] + rough[2], rough[1]
    e = np.exp(1.0)
    close(got, np.asarray([[mass / 2, rest, mass / 2], [mass * e / (1 + e), rest, mass / (1 + e)]]), 3)


@FORMS
@settings(deadline=None)
@given(seed=seeds, u=st.integers(1, 20), t=st.integers(1, 6), size=st.floats(0.1, 4))
def test_no_row_is_further_from_exact_attention_than_without_the_improvement(form, seed, u, t, size):
    """The paper's second proposition: in the sum of absolute differences, for any clusters and keys."""
    q, k, hashes = draw(seed, (25, 4), (20, 4), (6, 4))
    exact = weights(fa.softmax_attention, size * q, k)
    rough = weights(fa.clustered_attention, size * q, k, hashes, clusters=t)
    better = weights(fa.improved_clustered_attention, size * q, k, hashes, clusters=t, top=u, form=form)
    slack = ROUNDING(np.float64, 20)
    before, after = (np.sum(np.abs(p - exact), axis=-1) for p in (rough, better))
    assert np.all(after <= BOUND(before) + slack)


@FORMS
def test_the_best_keys_keep_their_ratios_and_the_others_their_weights(form, rng):
    q, k, hashes = (rng.standard_normal(shape) for shape in ((60, 4), (30, 4), (6, 4)))
    rough = weights(fa.clustered_attention, q, k, hashes, clusters=5, form=form)
    p = weights(fa.improved_clustered_attention, q, k, hashes, clusters=5, top=6, form=form)
    exact = weights(fa.softmax_attention, q, k)
    best = np.argsort(-rough, axis=-1)[:, :6]
    mine, theirs = (np.take_along_axis(x, best, axis=-1) for x in (p, exact))
    close(mine / np.sum(mine, axis=-1, keepdims=True), theirs / np.sum(theirs, axis=-1, keepdims=True), 60)
    other = np.ones_like(p, dtype=bool)
    np.put_along_axis(other, best, False, axis=-1)
    close(np.where(other, p, 0.0), np.where(other, rough, 0.0), 60)


@FORMS
def test_equal_keys_are_taken_in_order(form):
    q, k = np.asarray([[1.0], [3.0]]), np.ones((5, 1))
    k[4] = -1.0
    got = weights(fa.improved_clustered_attention, q, k, np.ones((1, 1)), clusters=1, top=2, scale=1.0, form=form)
    rough = weights(fa.clustered_attention, q, k, np.ones((1, 1)), clusters=1, scale=1.0, form=form)
    close(got, rough, 5)  # the first two are equal, so exact weights for them change nothing


@FORMS
@pytest.mark.parametrize("whose", ["keys", "pairs"])
def test_hidden_keys_are_no_candidates(form, whose, rng):
    q, k, v, hashes = (rng.standard_normal(shape) for shape in ((40, 4), (30, 4), (30, 3), (6, 4)))
    shown = rng.random(30) < 0.5
    want = fa.improved_clustered_attention(q, k[shown], v[shown], hashes, clusters=5, top=4, form=form)
    dirty = np.where(shown[:, None], k, np.nan), np.where(shown[:, None], v, np.nan)
    mask = shown if whose == "keys" else np.tile(shown, (40, 1))
    got = fa.improved_clustered_attention(q, *dirty, hashes, clusters=5, top=4, mask=mask, form=form)
    close(got, want, 30)
    few = np.arange(30) == 7  # fewer than are to be exact
    got = fa.improved_clustered_attention(q, k, v, hashes, clusters=5, top=4, mask=few, form=form)
    close(got, np.tile(v[7], (40, 1)), 30)


@FORMS
def test_many_queries_are_gathered_tile_by_tile(form, rng):
    """More than two tiles, the last one short."""
    q, k, v, hashes = (rng.standard_normal(shape) for shape in ((2, 600, 4), (2, 30, 4), (2, 30, 3), (6, 4)))
    got = fa.improved_clustered_attention(q, k, v, hashes, clusters=5, top=30, form=form)
    close(got, fa.softmax_attention(q, k, v), 30)


@FORMS
def test_each_argument_may_have_batch_axes_of_its_own(form, rng):
    shapes = (2, 1, 12, 4), (9, 4), (3, 9, 3), (2, 3, 5, 4), (3, 1, 9)
    q, k, v, hashes, chance = (rng.standard_normal(shape) for shape in shapes)
    options = {"clusters": 4, "top": 3, "form": form}
    whole = fa.improved_clustered_attention(q, k, v, hashes, mask=chance < 0.5, **options)
    for a, b in np.ndindex(2, 3):
        one = fa.improved_clustered_attention(q[a, 0], k, v[b], hashes[a, b], mask=chance[b] < 0.5, **options)
        close(whole[a, b], one, 12)


@pytest.mark.parametrize("top", [0, -1, 1.5])
def test_a_number_of_best_keys_that_is_none_is_refused(top):
    with pytest.raises(ValueError, match="top must be a positive integer"):
        fa.improved_clustered_attention(*np.ones((3, 6, 4)), top=top)


@FORMS
@settings(deadline=None)
@given(
    n=st.integers(1, 12), m=sizes, d=sizes, e=sizes, s=st.integers(1, 6), t=st.integers(1, 14), u=st.integers(1, 9),
    seed=seeds, iterations=st.integers(0, 3), hide=st.sampled_from(["", "pairs", "keys", "queries"]),
    scale=st.none() | st.floats(0.1, 2),
)  # fmt: skip
def test_improved_clustered_attention_is_the_paper(form, n, m, d, e, s, t, u, seed, iterations, hide, scale):
    q, k, v, hashes, chance = draw(seed, (n, d), (m, d), (m, e), (s, d), (n, m))
    mask = {"": None, "pairs": chance < 0.5, "keys": chance[:1] < 0.5, "queries": chance[:, :1] < 0.5}[hide]
    options = {"clusters": t, "iterations": iterations, "scale": scale, "top": u}
    got = fa.improved_clustered_attention(q, k, v, hashes, **options, mask=mask, form=form)
    full = None if mask is None else np.broadcast_to(mask, (n, m))
    want = improved_clustered.improved_clustered_attention(*lists(q, k, v, hashes), **options, mask=lists(full)[0])
    agree(got, want, d + m + n)
