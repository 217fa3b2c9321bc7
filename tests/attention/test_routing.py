"""Facts about routing attention: who is in which cluster, how several answers are joined, causality, and centroids."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, draw, lists, routing, seeds, sizes

import factorattn as fa
from factorattn.attention.hashing.centroids import update_centroids
from factorattn.testing import ROUNDING

FORMS = pytest.mark.parametrize("form", fa.routing_attention.record.forms)
EAST, NORTH = [1.0, 0.0, -1.0], [1.0, -2.0, 1.0]  # of mean zero, at right angles: layer norm keeps their directions


def close(got, want, length):
    assert got.shape == want.shape
    assert np.max(np.abs(got - want), initial=0) <= np.max(np.abs(want), initial=1) * ROUNDING(got.dtype, length)


def weights(q, k, mu, **options):
    """The output where the values are unit vectors."""
    return fa.routing_attention(q, k, np.eye(k.shape[-2]), mu, **options)


@FORMS
def test_by_hand(form):
    """Two centroids take the two nearest tokens each: 0 and 2 look east, 1 and 3 north; in a cluster all is even."""
    x = np.asarray([EAST, NORTH, EAST, NORTH])
    want = 0.5 * np.asarray([[1, 0, 1, 0], [0, 1, 0, 1], [1, 0, 1, 0], [0, 1, 0, 1]])
    got = weights(x, x, np.asarray([EAST, NORTH]), scale=0.0, form=form)
    np.testing.assert_array_equal(got, want)
    got = weights(x, x, np.asarray([EAST, NORTH]), scale=0.0, causal=True, form=form)
    np.testing.assert_array_equal(got, [[1, 0, 0, 0], [0, 1, 0, 0], want[2], want[3]])


@FORMS
def test_queries_of_no_cluster_get_zeros_and_of_two_the_mean(form):
    x = np.asarray([EAST, NORTH, [-1.0, 0.0, 1.0]])
    mu = np.asarray([EAST, NORTH, [1.0, -0.9, -0.1]])  # the third takes token 0, too
    got = weights(x, x, mu, window=1, form=form)
    np.testing.assert_array_equal(got, [[1, 0, 0], [0, 1, 0], [0, 0, 0]])
    keys = np.asarray([NORTH, EAST, NORTH])
    got = weights(x, keys, np.asarray([EAST, [1.0, -0.5, -0.5]]), window=1, form=form)  # both take query 0 and key 1
    np.testing.assert_array_equal(got, [[0, 1, 0], [0, 0, 0], [0, 0, 0]])
    got = weights(x[:1], keys, np.asarray([EAST, NORTH]), window=1, form=form)  # query 0 in both, keys 1 and 0
    np.testing.assert_array_equal(got, [[0.5, 0.5, 0]])


@FORMS
def test_equal_tokens_are_taken_in_order(form):
    x = np.tile(EAST, (5, 1))
    got = weights(x, x, np.asarray([EAST]), window=2, form=form)
    np.testing.assert_array_equal(got > 0, np.outer(np.arange(5) < 2, np.arange(5) < 2))


@FORMS
def test_clusters_where_a_query_sees_no_key_do_not_dilute_its_answer(form):
    """Both clusters take query 0; one takes key 0, and the other key 1, which is later."""
    q, k = np.asarray([[2.0, -2.0, 0.0], [-2.0, 2.0, 0.0]]), np.asarray([EAST, NORTH])
    mu = np.asarray([EAST, NORTH])
    np.testing.assert_array_equal(weights(q, k, mu, window=1, form=form), [[0.5, 0.5], [0, 0]])
    np.testing.assert_array_equal(weights(q, k, mu, window=1, causal=True, form=form), [[1, 0], [0, 0]])


@FORMS
def test_causality_compares_positions_and_not_slots(form, rng):
    """Where keys are not the queries, slot s of a cluster's keys may lie after slot s of its queries."""
    q, k, mu = rng.standard_normal((30, 6)), rng.standard_normal((40, 6)), rng.standard_normal((4, 6))
    p = weights(q, k, mu, causal=True, form=form)
    later = np.arange(40) > np.arange(30)[:, None] + 10
    np.testing.assert_array_equal(p[later], 0.0)
    v = rng.standard_normal((40, 3))
    before = fa.routing_attention(q, k, v, mu, causal=True, form=form)
    for poison in (1e9, np.nan, np.inf):
        got = fa.routing_attention(q, k, np.where(np.arange(40)[:, None] < 25, v, poison), mu, causal=True, form=form)
        np.testing.assert_array_equal(got[:15], before[:15])


@FORMS
def test_hidden_keys_and_blind_queries_take_no_place(form, rng):
    q, k, v, mu = (
        rng.standard_normal((20, 4)),
        rng.standard_normal((25, 4)),
        rng.standard_normal((25, 3)),
        rng.random((3, 4)),
    )
    sees, shown = rng.random(20) < 0.7, rng.random(25) < 0.6
    want = fa.routing_attention(q[sees], k[shown], v[shown], mu, window=4, form=form)
    dirty = np.where(shown[:, None], k, np.nan), np.where(shown[:, None], v, np.nan)
    got = fa.routing_attention(q, *dirty, mu, window=4, mask=sees[:, None] & shown, form=form)
    close(got[sees], want, 25)
    np.testing.assert_array_equal(got[~sees], 0.0)


@FORMS
def test_length_and_mean_of_queries_and_keys_do_not_matter(form, rng):
    q, k, v, mu = (rng.standard_normal(shape) for shape in ((20, 6), (20, 6), (20, 3), (4, 6)))
    want = fa.routing_attention(q, k, v, mu, eps=1e-300, form=form)
    close(fa.routing_attention(7 * q + 3, 0.1 * k - 9, v, mu, eps=1e-300, form=form), want, 10**4)


@FORMS
def test_a_value_that_is_not_finite_stays_in_its_clusters(form, rng):
    q, k, v, mu = (rng.standard_normal(shape) for shape in ((40, 6), (40, 6), (40, 3), (8, 6)))
    met = weights(q, k, mu, window=5, form=form)[:, 7] > 0
    v[7, 0] = np.nan
    out = fa.routing_attention(q, k, v, mu, window=5, mask=np.ones((1, 1), bool), form=form)
    np.testing.assert_array_equal(np.any(np.isnan(out), axis=-1), met)


def test_cost_grows_with_the_root_of_the_length_cubed():
    sizes = {"d": 64, "e": 64}
    small, large = (
        fa.cost(fa.routing_attention, {**sizes, "n": 4**z, "m": 4**z, "t": 2**z, "w": 2**z}) for z in (7, 8)
    )
    assert large.flops <= 8 * small.flops
    assert large.peak <= 8 * small.peak


@settings(deadline=None)
@given(n=sizes, m=sizes, d=sizes, t=sizes, seed=seeds, decay=st.floats(0, 1))
def test_centroids_learn_as_in_the_paper(n, m, d, t, seed, decay):
    q, k, mu = draw(seed, (n, d), (m, d), (t, d))
    agree(update_centroids(q, k, mu, decay=decay), routing.update_centroids(*lists(q, k, mu), decay=decay), n + m + d)


def test_centroids_stay_without_learning_and_turn_to_their_tokens_with_it(rng):
    q, k, mu = rng.standard_normal((30, 6)), rng.standard_normal((30, 6)), rng.standard_normal((4, 6))
    np.testing.assert_array_equal(update_centroids(q, k, mu, decay=1.0), mu)
    np.testing.assert_array_equal(update_centroids(q[:0], k[:0], mu, decay=0.5), 0.5 * mu)
    batch = update_centroids(np.stack([q, k]), k, mu)
    np.testing.assert_array_equal(batch[0], update_centroids(q, k, mu))
    assert update_centroids(*(x.astype(np.float16) for x in (q, k, mu))).dtype == np.float16


@pytest.mark.parametrize("decay", [-0.1, 1.1, np.nan])
def test_a_decay_outside_its_range_is_refused(decay):
    with pytest.raises(ValueError, match="decay must be"):
        update_centroids(*np.ones((3, 2, 4)), decay=decay)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"window": 0}, "window must be a positive integer"),
        ({"eps": 0.0}, "eps must be positive"),
        ({"mu": np.ones((2, 5))}, "axis 'd' is 4 in q"),
        ({"mask": np.ones((3, 3), bool)}, r"mask must broadcast to \(..., 6, 6\)"),
    ],
)
def test_nonsense_is_refused_by_name(options, words):
    q, k, v = np.ones((3, 6, 4))
    with pytest.raises(ValueError, match=words):
        fa.routing_attention(q, k, v, **{"mu": np.ones((2, 4)), **options})


def test_no_scale_is_the_default_scale():
    q, k, v, mu = draw(0, (9, 3), (9, 3), (9, 2), (2, 3))
    one, other = (fa.routing_attention(q, k, v, mu, scale=scale) for scale in (None, 1.0))
    np.testing.assert_array_equal(one, other)


@FORMS
def test_without_centroids_nothing_is_routed(form):
    q, k, v = np.ones((3, 6, 4))
    np.testing.assert_array_equal(fa.routing_attention(q, k, v, np.ones((0, 4)), form=form), np.zeros((6, 4)))


@FORMS
@settings(deadline=None)
@given(
    n=st.integers(1, 12), m=st.integers(1, 12), d=sizes, e=sizes, t=st.integers(1, 5), seed=seeds,
    window=st.none() | st.integers(1, 14), causal=st.booleans(), scale=st.floats(0.1, 1),
    hide=st.sampled_from(["", "pairs", "keys", "queries"]),
)  # fmt: skip
def test_routing_attention_is_the_paper(form, n, m, d, e, t, seed, window, causal, scale, hide):
    q, k, v, mu, chance = draw(seed, (n, d), (m, d), (m, e), (t, d), (n, m))
    mask = {"": None, "pairs": chance < 0.5, "keys": chance[:1] < 0.5, "queries": chance[:, :1] < 0.5}[hide]
    got = fa.routing_attention(q, k, v, mu, window=window, causal=causal, scale=scale, mask=mask, form=form)
    full = None if mask is None else np.broadcast_to(mask, (n, m))
    want = routing.routing_attention(
        *lists(q, k, v, mu), window=window, causal=causal, scale=scale, mask=lists(full)[0]
    )
    agree(got, want, d + m + t)
