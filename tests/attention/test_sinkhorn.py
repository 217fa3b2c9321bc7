"""Facts about Sinkhorn attention: balancing, sorting, the local term, SortCut, causality, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, draw, lists, seeds, sinkhorn, sizes

import factorattn as fa
from factorattn.attention.hashing.sorting import balanced, network_scores
from factorattn.testing import BOUND, ROUNDING

FORMS = pytest.mark.parametrize("form", fa.sinkhorn_attention.record.forms)


def close(got, want, length):
    assert got.shape == want.shape
    assert np.max(np.abs(got - want), initial=0) <= np.max(np.abs(want), initial=1) * ROUNDING(got.dtype, length)


def weights(q, k, scores=None, **options):
    """The output where the values are unit vectors."""
    return fa.sinkhorn_attention(q, k, np.eye(k.shape[-2]), scores, **options)


def sorting(*sources):
    """Scores that bring block sources[i] to place i."""
    return np.where(np.arange(len(sources)) == np.asarray(sources)[:, None], 0.0, -np.inf)


@FORMS
@pytest.mark.parametrize(("local", "own", "other"), [("joint", 0.25, 0.25), ("sum", 0.5, 0.5), ("none", 0.0, 0.5)])
def test_by_hand(form, local, own, other):
    """Blocks of two tokens, swapped; without logits all weights of a row are even."""
    block = np.arange(4) // 2
    want = np.where(block[:, None] == block, own, other)
    got = weights(*np.ones((2, 4, 3)), sorting(1, 0), block=2, scale=0.0, local=local, form=form)
    np.testing.assert_array_equal(got, want)


@FORMS
def test_keys_are_mixed_before_they_are_met_and_not_their_weights_after(form):
    """A sorted key halfway between 0 and 2 has the logit of 1: softmax of (1, 0) for the sorted and the own token."""
    k = np.asarray([[0.0], [2.0]])
    got = weights(np.ones((2, 1)), k, np.zeros((2, 2)), block=1, scale=1.0, form=form)
    e = np.exp([0.0, 1.0, 2.0])
    sorted_token, own = e[1] / (e[1] + e[0]), e[0] / (e[1] + e[0])
    want = [[own + sorted_token / 2, sorted_token / 2], [e[1] / (e[1] + e[2]) / 2, 1 - e[1] / (e[1] + e[2]) / 2]]
    close(got, np.asarray(want), 2)


@FORMS
def test_sortcut_lets_every_query_meet_the_blocks_in_front(form, rng):
    q, k, v = rng.standard_normal((3, 12, 4))
    got = fa.sinkhorn_attention(q, k, v, sorting(2, 0, 3, 1), block=3, cut=2, local="none", form=form)
    front = np.r_[6:9, 0:3]
    close(got, fa.softmax_attention(q, k[front], v[front]), 12)
    longer = fa.sinkhorn_attention(q, k, v, sorting(2, 0, 3, 1), block=3, cut=99, local="none", form=form)
    close(longer, fa.softmax_attention(q, k, v), 12)


def test_balancing_ends_at_rows_and_columns_that_sum_to_one(rng):
    scores = rng.standard_normal((3, 6, 6))
    errors = []
    for iterations in (1, 5, 20, 80):
        s = balanced(scores, iterations=iterations, temperature=1.0, causal=False, xp=np)
        close(np.sum(s, axis=-2), np.ones((3, 6)), 6)
        errors.append(np.max(np.abs(np.sum(s, axis=-1) - 1)))
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] <= ROUNDING(np.float64, 36)


def test_scores_may_be_large_and_a_low_temperature_makes_a_permutation():
    scores = np.asarray([[0.0, 900.0, 0.0], [0.0, 0.0, 1000.0], [1100.0, 0.0, 0.0]])
    s = balanced(scores, iterations=10, temperature=0.01, causal=False, xp=np)
    np.testing.assert_array_equal(s, [[0, 1, 0], [0, 0, 1], [1, 0, 0]])


def test_causal_balancing_knows_no_later_block(rng):
    scores = rng.standard_normal((5, 5))
    s = balanced(scores, iterations=6, temperature=0.7, causal=True, xp=np)
    np.testing.assert_array_equal(np.triu(s), 0.0)
    assert np.all(s[np.tri(5, k=-1, dtype=bool)] > 0)
    for poison in (50.0, np.nan):
        later = np.where(np.arange(5)[:, None] < 3, scores, poison)
        np.testing.assert_array_equal(balanced(later, iterations=6, temperature=0.7, causal=True, xp=np)[:3], s[:3])
    short = balanced(scores[:3, :3], iterations=6, temperature=0.7, causal=True, xp=np)
    np.testing.assert_array_equal(short, s[:3, :3])


@FORMS
@pytest.mark.parametrize("given_scores", [False, True])
@pytest.mark.parametrize("local", ["joint", "sum", "none"])
def test_nothing_later_reaches_an_earlier_output(form, given_scores, local, rng):
    """Not through sums of blocks, balanced columns, sorted values, or zeros times what is not finite."""
    q, k, v = rng.standard_normal((3, 23, 4))
    scores = rng.standard_normal((6, 6)) if given_scores else None
    before = fa.sinkhorn_attention(q, k, v, scores, block=4, causal=True, local=local, form=form)
    for cut in (1, 9, 12, 22):
        for poison in (1e6, np.nan, np.inf):
            with np.errstate(invalid="ignore", over="ignore"):
                later = (np.where(np.arange(23)[:, None] < cut, x, poison) for x in (q, k, v))
                got = fa.sinkhorn_attention(*later, scores, block=4, causal=True, local=local, form=form)
            close(got[:cut], before[:cut], 23)
    if local == "none":  # and the first block, which nothing is sorted to, has nothing
        np.testing.assert_array_equal(before[:4], 0.0)


@FORMS
def test_sorted_blocks_bring_what_is_far_away(form, rng):
    q, k = rng.standard_normal((2, 40, 4))
    p = weights(q, k, sorting(9, 8, 7, 6, 5, 4, 3, 2, 1, 0), block=4, form=form) > 0
    block = np.arange(40) // 4
    np.testing.assert_array_equal(p, (block[:, None] == block) | (block[:, None] == 9 - block))


@FORMS
def test_a_last_block_that_is_not_full_is_filled_with_zeros(form, rng):
    q, k, v = rng.standard_normal((3, 7, 4))
    scores = rng.standard_normal((3, 3))
    filled = (np.concatenate([x, np.zeros((2, 4))]) for x in (q, k, v))
    want = fa.sinkhorn_attention(*filled, scores, block=3, local="none", form=form)[:7]
    close(fa.sinkhorn_attention(q, k, v, scores, block=3, local="none", form=form), want, 9)
    close(np.sum(weights(q, k, sorting(0, 1, 2), block=3, form=form), axis=-1)[:6], np.ones(6), 9)


@settings(deadline=None)
@given(
    n=st.integers(1, 14),
    d=sizes,
    f=sizes,
    more=st.integers(0, 2),
    b=st.integers(1, 15),
    causal=st.booleans(),
    seed=seeds,
)
def test_the_sorting_network_is_the_paper(n, d, f, more, b, causal, seed):
    t = -(-n // b) + more
    x, w_p, w_b, b_p, b_b = draw(seed, (n, d), (d, f), (f, t), (f,), (t,))
    got = network_scores(x, w_p, w_b, b_p, b_b, block=b, causal=causal)
    want = sinkhorn.network_scores(*lists(x, w_p, w_b, b_p, b_b), block=b, causal=causal)
    agree(got, want, n + d + f)
    bare = network_scores(x, w_p, w_b, block=b, causal=causal)
    np.testing.assert_array_equal(bare, network_scores(x, w_p, w_b, 0 * b_p, 0 * b_b, block=b, causal=causal))


def test_a_causal_sorting_network_knows_nothing_later(rng):
    x, w_p, w_b = rng.standard_normal((10, 4)), rng.standard_normal((4, 3)), rng.standard_normal((3, 5))
    want = network_scores(x, w_p, w_b, block=2, causal=True)[:3]
    later = np.where(np.arange(10)[:, None] < 5, x, np.nan)  # the third block begins with token 4
    np.testing.assert_array_equal(network_scores(later, w_p, w_b, block=2, causal=True)[:3], want)


def test_a_sorting_network_for_fewer_blocks_is_refused():
    with pytest.raises(ValueError, match="w_b scores at most 2 blocks, and there are 3"):
        network_scores(np.ones((6, 4)), np.ones((4, 3)), np.ones((3, 2)), block=2)


def test_scores_may_differ_per_head(rng):
    q, k, v, scores = (*rng.standard_normal((3, 2, 12, 4)), rng.standard_normal((2, 3, 3)))
    both = fa.sinkhorn_attention(q, k, v, scores, block=4)
    for head in range(2):
        close(both[head], fa.sinkhorn_attention(q[head], k[head], v[head], scores[head], block=4), 12)
    spread = fa.sinkhorn_attention(q[0], k[0], v[0], scores, block=4)
    close(spread[1], fa.sinkhorn_attention(q[0], k[0], v[0], scores[1], block=4), 12)


def test_weights_of_a_row_sum_to_one_as_far_as_balancing_has_come(rng):
    q, k = rng.standard_normal((2, 40, 4))
    errors = [np.max(np.abs(np.sum(weights(q, k, block=5, iterations=z), axis=-1) - 1)) for z in (1, 4, 50)]
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] <= BOUND(ROUNDING(np.float64, 40))


def test_cost_is_that_of_blocks_and_of_their_mixing():
    sizes = {"d": 64, "e": 64}
    small, large = (fa.cost(fa.sinkhorn_attention, {**sizes, "n": 4**z, "b": 2**z}) for z in (7, 8))
    assert large.flops <= 8 * small.flops  # blocks of sqrt(n): n^1.5
    assert large.peak <= 8 * small.peak
    cut = [fa.cost(fa.sinkhorn_attention, {**sizes, "n": 2**z, "b": 64}, cut=2, local="none") for z in (14, 15)]
    mixing = [z["contract"] for z in (c.by_kind for c in cut)]
    assert mixing[1] <= 2.2 * mixing[0]  # all but the scores of (n / b)^2 pairs of blocks is linear


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"mask": np.ones((6, 6), bool)}, ValueError, "sinkhorn_attention takes no mask: a sorted key is a mixture"),
        ({"scores": np.ones((2, 2))}, ValueError, r"scores must have shape \(..., 3, 3\), got \(2, 2\)"),
        ({"scores": np.ones((2, 3, 3)), "q": np.ones((5, 6, 4))}, ValueError, "batch axes must broadcast"),
        ({"scores": [[1.0] * 3] * 3}, TypeError, "scores must be an array of the same library as q, got list"),
        ({"scores": np.ones((3, 3), int)}, TypeError, "scores must have dtype real floating, got int64"),
        ({"cut": 0}, ValueError, "cut must be at least 1, got 0"),
        ({"cut": 1.0}, TypeError, "cut must be an integer"),
        ({"cut": 1, "causal": True}, ValueError, "cut must be None where causal"),
        ({"iterations": -1}, ValueError, "iterations must be at least 0, got -1"),
        ({"temperature": 0.0}, ValueError, "temperature must be positive"),
        ({"local": "both"}, ValueError, "local must be 'joint' or 'sum' or 'none', got 'both'"),
        ({"block": 0}, ValueError, "block must be a positive integer"),
        ({"causal": 1}, TypeError, "causal must be True or False"),
    ],
)
def test_nonsense_is_refused_by_name(options, error, words):
    with pytest.raises(error, match=words):
        fa.sinkhorn_attention(**{**dict(zip("qkv", np.ones((3, 6, 4)), strict=True)), "block": 2, **options})


@FORMS
@settings(deadline=None)
@given(
    n=st.integers(1, 14), d=sizes, e=sizes, b=st.integers(1, 16), seed=seeds, given_scores=st.booleans(),
    iterations=st.integers(0, 4), temperature=st.floats(0.3, 2), causal=st.booleans(),
    cut=st.none() | st.integers(1, 5), local=st.sampled_from(["joint", "sum", "none"]),
    scale=st.none() | st.floats(0.1, 2),
)  # fmt: skip
def test_sinkhorn_attention_is_the_paper(
    form, n, d, e, b, seed, given_scores, iterations, temperature, causal, cut, local, scale
):
    t = -(-n // b)
    q, k, v, scores = draw(seed, (n, d), (n, d), (n, e), (t, t))
    scores = scores if given_scores else None
    temperature = temperature if iterations else 10.0  # exponentials as they are: keep logits of ordinary size
    options = {
        "block": b, "iterations": iterations, "temperature": temperature, "causal": causal, "scale": scale,
        "cut": None if causal else cut, "local": local,
    }  # fmt: skip
    got = fa.sinkhorn_attention(q, k, v, scores, **options, form=form)
    agree(got, sinkhorn.sinkhorn_attention(*lists(q, k, v, scores), **options), d + n + 4 * t)
