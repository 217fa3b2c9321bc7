"""Facts about clustered attention: one answer for each cluster, masks, absent queries, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, clustered, draw, lists, seeds, sizes

import factorattn as fa
from factorattn.testing import ROUNDING

FORMS = pytest.mark.parametrize("form", fa.clustered_attention.record.forms)


def close(got, want, length):
    assert got.shape == want.shape
    assert np.max(np.abs(got - want), initial=0) <= np.max(np.abs(want), initial=1) * ROUNDING(got.dtype, length)


@FORMS
def test_by_hand(form):
    """Signs part 1 and 3 from -2 and -4; the clusters' means are 2 and -3."""
    q, k = np.asarray([[1.0], [-2.0], [3.0], [-4.0]]), np.asarray([[0.0], [1.0]])
    got = fa.clustered_attention(q, k, np.eye(2), np.ones((1, 1)), clusters=2, scale=1.0, form=form)
    up, down = (1 / (1 + np.exp(-x)) for x in (2.0, -3.0))
    close(got, np.asarray([[1 - up, up], [1 - down, down]] * 2), 4)


@FORMS
def test_all_queries_of_a_cluster_get_the_same_answer_and_there_are_no_more_answers_than_clusters(form, rng):
    q, k, v, hashes = (rng.standard_normal(shape) for shape in ((100, 4), (30, 4), (30, 3), (8, 4)))
    o = fa.clustered_attention(q, k, v, hashes, clusters=7, form=form)
    assert 2 <= len(np.unique(o, axis=0)) <= 7


@FORMS
def test_a_mask_of_keys_is_as_good_as_their_absence(form, rng):
    q, k, v, hashes = (rng.standard_normal(shape) for shape in ((40, 4), (30, 4), (30, 3), (8, 4)))
    shown = rng.random(30) < 0.6
    want = fa.clustered_attention(q, k[shown], v[shown], hashes, clusters=5, form=form)
    dirty = np.where(shown[:, None], k, np.nan), np.where(shown[:, None], v, np.inf)
    close(fa.clustered_attention(q, *dirty, hashes, clusters=5, mask=shown, form=form), want, 30)
    nobody = fa.clustered_attention(q, *dirty, hashes, clusters=5, mask=np.zeros(30, bool), form=form)
    np.testing.assert_array_equal(nobody, np.zeros((40, 3)))


@FORMS
def test_a_mask_of_pairs_renormalises_the_weights_of_the_cluster(form, rng):
    q, k, v, hashes = (rng.standard_normal(shape) for shape in ((40, 4), (30, 4), (30, 3), (8, 4)))
    mask = rng.random((40, 30)) < 0.5
    p = fa.clustered_attention(q, k, np.eye(30), hashes, clusters=5, form=form) * mask
    want = p / np.sum(p, axis=-1, keepdims=True) @ v
    close(fa.clustered_attention(q, k, v, hashes, clusters=5, mask=mask, form=form), want, 30)


@FORMS
def test_queries_that_see_no_key_are_in_no_mean(form, rng):
    q, k, v, hashes = (rng.standard_normal(shape) for shape in ((40, 4), (30, 4), (30, 3), (8, 4)))
    sees = np.arange(40) % 8 != 3  # none of the queries that centres begin at
    outs = []
    for poison in (0.0, 1e3, np.nan):
        dirty = np.where(sees[:, None], q, poison)
        with np.errstate(invalid="ignore"):
            outs.append(fa.clustered_attention(dirty, k, v, hashes, clusters=5, mask=sees[:, None], form=form))
        np.testing.assert_array_equal(outs[-1][~sees], 0.0)
    np.testing.assert_array_equal(outs[1], outs[0])
    np.testing.assert_array_equal(outs[2], outs[0])


@FORMS
def test_a_query_that_is_not_finite_reaches_its_own_cluster_only(form, rng):
    q, k, v, hashes = (rng.standard_normal(shape) for shape in ((60, 4), (30, 4), (30, 3), (6, 4)))
    q[11] = np.nan
    o = fa.clustered_attention(q, k, v, hashes, clusters=6, form=form)
    bad = np.any(np.isnan(o), axis=-1)
    assert bad[11]
    assert 0 < np.sum(~bad) < 60
    assert np.all(np.isfinite(o[~bad]))


@FORMS
@pytest.mark.parametrize("clusters", [40, 41, 1000])
def test_a_cluster_for_each_query_is_exact_even_where_queries_hash_alike(form, clusters, rng):
    q, k, v = (rng.standard_normal(shape) for shape in ((40, 4), (30, 4), (30, 3)))
    got = fa.clustered_attention(q, k, v, np.ones((1, 4)), clusters=clusters, form=form)
    close(got, fa.softmax_attention(q, k, v), 30)


@FORMS
@pytest.mark.parametrize("size", [1e-160, 1e150])
def test_means_of_large_and_small_queries(form, size, rng):
    q, k, v, hashes = (rng.standard_normal(shape) for shape in ((40, 4), (30, 4), (30, 3), (6, 4)))
    got = fa.clustered_attention(size * q, k, v, hashes, clusters=6, scale=1 / size, form=form)
    close(got, fa.clustered_attention(q, k, v, hashes, clusters=6, scale=1.0, form=form), 70)


def test_what_is_left_out_is_drawn_and_is_the_same_for_the_same_seed(rng):
    q, k, v = (rng.standard_normal(shape) for shape in ((50, 4), (30, 4), (30, 3)))
    one, same = (fa.clustered_attention(q, k, v, clusters=5, bits=9, rng=3) for _ in range(2))
    np.testing.assert_array_equal(one, same)
    drawn = np.random.default_rng(3).standard_normal((9, 4))
    np.testing.assert_array_equal(one, fa.clustered_attention(q, k, v, drawn, clusters=5))
    default = fa.clustered_attention(q, k, v, clusters=5, rng=3)
    drawn = np.random.default_rng(3).standard_normal((32, 4))
    np.testing.assert_array_equal(default, fa.clustered_attention(q, k, v, drawn, clusters=5))


@pytest.mark.parametrize("f", [fa.clustered_attention, fa.improved_clustered_attention], ids=lambda f: f.__name__)
def test_cost_is_linear_in_the_length(f):
    sizes = {"d": 64, "e": 64, "s": 32, "t": 100, "u": 32}
    small, large = (fa.cost(f, {**sizes, "n": 2**z, "m": 2**z}) for z in (14, 16))
    assert large.flops <= 4 * small.flops
    assert large.peak <= 4 * small.peak


@pytest.mark.parametrize("f", [fa.clustered_attention, fa.improved_clustered_attention], ids=lambda f: f.__name__)
@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"causal": True}, ValueError, "clustered_attention takes no causal: .* mean of queries of all times"),
        ({"hashes": np.ones((2, 4)), "rng": 0}, ValueError, "rng must be None where hashes are given"),
        ({"hashes": np.ones((2, 4)), "bits": 3}, ValueError, "axis 's' is 2"),
        ({"hashes": np.ones((2, 3))}, ValueError, "axis 'd' is 4"),
        ({"clusters": 0}, ValueError, "clusters must be a positive integer"),
        ({"bits": 0}, ValueError, "bits must be a positive integer"),
        ({"iterations": -1}, ValueError, "iterations must be at least 0, got -1"),
        ({"iterations": 1.5}, TypeError, "iterations must be an integer"),
        ({"mask": np.ones((6, 6))}, TypeError, "mask must have dtype bool"),
    ],
)
def test_nonsense_is_refused_by_name(f, options, error, words):
    with pytest.raises(error, match=words):
        f(*np.ones((3, 6, 4)), **options)


@FORMS
@settings(deadline=None)
@given(
    n=st.integers(1, 12), m=sizes, d=sizes, e=sizes, s=st.integers(1, 6), t=st.integers(1, 14), seed=seeds,
    iterations=st.integers(0, 3), hide=st.sampled_from(["", "pairs", "keys", "queries"]),
    scale=st.none() | st.floats(0.1, 2),
)  # fmt: skip
def test_clustered_attention_is_the_paper(form, n, m, d, e, s, t, seed, iterations, hide, scale):
    q, k, v, hashes, chance = draw(seed, (n, d), (m, d), (m, e), (s, d), (n, m))
    mask = {"": None, "pairs": chance < 0.5, "keys": chance[:1] < 0.5, "queries": chance[:, :1] < 0.5}[hide]
    options = {"clusters": t, "iterations": iterations, "scale": scale}
    got = fa.clustered_attention(q, k, v, hashes, **options, mask=mask, form=form)
    full = None if mask is None else np.broadcast_to(mask, (n, m))
    want = clustered.clustered_attention(*lists(q, k, v, hashes), **options, mask=lists(full)[0])
    agree(got, want, d + m + n)
