"""Facts about Reformer: which pairs meet, that each counts once, padding, causality, hashing, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, draw, lists, reformer, seeds, sizes

import factorattn as fa
from factorattn.attention.hashing.buckets import default_factors, hash_buckets
from factorattn.testing import CHANCE, ROUNDING

FORMS = pytest.mark.parametrize("form", fa.reformer_attention.record.forms)
ONE_BUCKET = np.ones((1, 1, 1))  # for positive numbers


def weights(qk, rotations, **options):
    """The output where the values are unit vectors."""
    return fa.reformer_attention(qk, np.eye(qk.shape[-2]), rotations, **options)


def close(got, want, length):
    assert got.shape == want.shape
    assert np.max(np.abs(got - want), initial=0) <= np.max(np.abs(want), initial=1) * ROUNDING(got.dtype, length)


@FORMS
def test_by_hand(form):
    """Buckets are the signs; unit keys are 1, so that weights of a positive token are even, whatever its length."""
    qk = np.asarray([[1.0], [2.0], [-1.0], [3.0]])
    third = [0, 0, 1, 0]  # alone in its bucket: itself
    want = [[0, 0.5, 0, 0.5], [0.5, 0, 0, 0.5], third, [0.5, 0.5, 0, 0]]
    np.testing.assert_allclose(weights(qk, ONE_BUCKET, block=4, form=form), want, rtol=ROUNDING(np.float64, 4))
    want = [[1, 0, 0, 0], [1, 0, 0, 0], third, [0.5, 0.5, 0, 0]]
    got = weights(qk, ONE_BUCKET, block=4, causal=True, form=form)
    np.testing.assert_allclose(got, want, rtol=ROUNDING(np.float64, 4))


@FORMS
def test_a_chunk_sees_itself_and_the_one_before_and_the_first_sees_not_the_last(form):
    i = np.arange(7)
    seen = weights(np.ones((7, 1)), ONE_BUCKET, block=2, form=form) > 0
    apart = i[:, None] // 2 - i // 2
    np.testing.assert_array_equal(seen, ((apart == 0) | (apart == 1)) & (i[:, None] != i))


@FORMS
@pytest.mark.parametrize("causal", [False, True])
def test_a_pair_that_several_rounds_find_counts_once(form, causal, rng):
    """Without logits the weights are even over the union of what the rounds find."""
    p = weights(
        rng.standard_normal((60, 3)), rng.standard_normal((5, 3, 2)), block=8, scale=0.0, causal=causal, form=form
    )
    even = (p > 0) / np.sum(p > 0, axis=-1, keepdims=True)
    close(p, even, 60)
    assert len(set(np.sum(p > 0, axis=-1).tolist())) > 3  # unions of different sizes


@FORMS
def test_a_token_sees_itself_only_where_no_round_finds_another(form, rng):
    qk = np.concatenate([rng.standard_normal((20, 2)), -50 * np.ones((1, 2))])
    rotations = np.stack([np.eye(2), np.asarray([[1.0, 1.0], [1.0, -1.0]])])
    p = weights(qk, rotations, block=21, form=form)
    alone = np.diagonal(p) > 0
    np.testing.assert_array_equal(np.diagonal(p)[alone], 1.0)
    np.testing.assert_array_equal(np.sum(p[alone] > 0, axis=-1), 1)
    lone = weights(np.asarray([[1.0], [1.0], [-1.0]]), ONE_BUCKET, block=3, form=form)
    np.testing.assert_array_equal(np.diagonal(lone), [0, 0, 1])


@FORMS
@pytest.mark.parametrize("causal", [False, True])
def test_padding_is_as_good_as_absent(form, causal, rng):
    qk, v, rotations = rng.standard_normal((40, 4)), rng.standard_normal((40, 3)), rng.standard_normal((3, 4, 4))
    there = rng.random(40) < 0.7
    want = fa.reformer_attention(qk[there], v[there], rotations, block=5, causal=causal, form=form)
    for poison in (0.0, np.nan, np.inf):
        dirty, dirty_v = np.where(there[:, None], qk, poison), np.where(there[:, None], v, poison)
        with np.errstate(invalid="ignore"):
            got = fa.reformer_attention(dirty, dirty_v, rotations, block=5, mask=there, causal=causal, form=form)
        close(got[there], want, 40)
        np.testing.assert_array_equal(got[~there], 0.0)


@FORMS
def test_a_mask_can_take_a_token_from_itself(form):
    qk, mask = np.asarray([[1.0], [-1.0]]), np.asarray([[True, True], [True, False]])
    np.testing.assert_array_equal(weights(qk, ONE_BUCKET, block=2, mask=mask, form=form), [[1, 0], [0, 0]])


@FORMS
def test_later_values_reach_no_earlier_output(form, rng):
    """Grouping leaked in public code (lucidrains/reformer-pytorch#69)."""
    qk, v, rotations = rng.standard_normal((50, 4)), rng.standard_normal((50, 3)), rng.standard_normal((2, 4, 3))
    before = fa.reformer_attention(qk, v, rotations, block=8, causal=True, form=form)
    for cut in (1, 17, 49):
        for poison in (1e9, np.nan, np.inf):
            later = np.where(np.arange(50)[:, None] < cut, v, poison)
            got = fa.reformer_attention(qk, later, rotations, block=8, causal=True, form=form)
            np.testing.assert_array_equal(got[:cut], before[:cut])


def test_later_queries_can_change_earlier_outputs_as_the_documentation_says(rng):
    qk, v, rotations = rng.standard_normal((50, 4)), rng.standard_normal((50, 3)), rng.standard_normal((1, 4, 3))
    changed = np.where(np.arange(50)[:, None] < 40, qk, -qk)
    one, other = (fa.reformer_attention(x, v, rotations, block=8, causal=True)[:40] for x in (qk, changed))
    assert not np.allclose(one, other)


@FORMS
@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_keys_are_unit_vectors_at_any_length(form, size, rng):
    qk, v, rotations = rng.standard_normal((30, 4)), rng.standard_normal((30, 3)), rng.standard_normal((2, 4, 2))
    qk[3] = 0.0
    got = fa.reformer_attention(size * qk, v, rotations, block=8, scale=1 / size, form=form)
    close(got, fa.reformer_attention(qk, v, rotations, block=8, form=form), 30)


@pytest.mark.parametrize("angle", [0.1, 0.8, 1.5, 3.0])
def test_two_vectors_share_a_bucket_as_often_as_their_angle_says(angle, rng):
    """With one column a bucket is a side of a random hyperplane: the chance of the same is 1 - angle / pi."""
    x = np.asarray([[1.0, 0.0], [np.cos(angle), np.sin(angle)]])
    bucket = hash_buckets(x, rng.standard_normal((5000, 2, 1)), (2,), mask=None, xp=np)
    same = bucket[:, 0] == bucket[:, 1]
    assert abs(np.mean(same) - (1 - angle / np.pi)) <= CHANCE(same)


@FORMS
def test_buckets_can_be_a_product(form, rng):
    """Tokens meet where both hashes agree."""
    qk, rotations = rng.standard_normal((40, 3)), rng.standard_normal((1, 3, 3))
    both = weights(qk, rotations, block=40, buckets=(2, 4), scale=0.0, form=form) > 0
    first = weights(qk, rotations[..., :1], block=40, scale=0.0, form=form) > 0
    second = weights(qk, rotations[..., 1:], block=40, scale=0.0, form=form) > 0
    alone = ~np.any(first & second & ~np.eye(40, dtype=bool), axis=-1)
    np.testing.assert_array_equal(
        both, (first & second & ~np.eye(40, dtype=bool)) | (alone[:, None] & np.eye(40, dtype=bool))
    )


@pytest.mark.parametrize(("n", "block"), [(1, 64), (100, 64), (64, 16), (4096, 64), (65536, 64), (10**6, 16)])
def test_default_buckets_are_about_twice_the_chunks(n, block):
    found = default_factors(n, block)
    factors = found if isinstance(found, tuple) else (found,)
    assert all(f % 2 == 0 for f in factors)
    chunks = max(1, n // block)
    assert chunks <= np.prod(factors) <= 2 * chunks
    assert sum(factors) <= max(128, 6 * chunks**0.5)  # so that hashing stays below the square


def test_what_is_left_out_is_drawn_and_is_the_same_for_the_same_seed(rng):
    qk, v = rng.standard_normal((100, 4)), rng.standard_normal((100, 3))
    one, same, other = (fa.reformer_attention(qk, v, rounds=2, block=8, rng=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)
    drawn = np.random.default_rng(5).standard_normal((3, 4, 6))
    got = fa.reformer_attention(qk, v, rounds=3, buckets=12, block=8, rng=5)
    np.testing.assert_array_equal(got, fa.reformer_attention(qk, v, drawn, block=8))


def test_cost_is_linear_in_the_length():
    sizes = {"n": 2**14, "d": 64, "e": 64, "s": 4, "p": 16, "b": 64}
    small, large = (fa.cost(fa.reformer_attention, {**sizes, "n": n}) for n in (2**14, 2**16))
    assert large.flops <= 4 * small.flops
    assert large.peak <= 4 * small.peak


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rotations": np.ones((2, 3, 2)), "rng": 0}, "rng must be None where rotations are given"),
        ({"rotations": np.ones((2, 3, 2)), "rounds": 3}, "axis 's' is 2"),
        ({"rotations": np.ones((2, 3, 2)), "buckets": 6}, "buckets must add up to twice the 2 columns"),
        ({"buckets": 3}, r"buckets must be an even number from 2, or a tuple of them, got 3"),
        ({"buckets": (2, 0)}, r"got \(2, 0\)"),
        ({"buckets": ()}, r"got \(\)"),
        ({"block": 0}, "block must be a positive integer"),
        ({"rounds": 0}, "rounds must be a positive integer"),
        ({"scale": np.inf}, "scale must be finite"),
        ({"mask": np.ones((2, 2), bool)}, r"mask must broadcast to \(..., 5, 5\)"),
    ],
)
def test_nonsense_is_refused_by_name(options, words):
    with pytest.raises(ValueError, match=words):
        fa.reformer_attention(np.ones((5, 3)), np.ones((5, 2)), **options)


def test_no_scale_is_the_default_scale():
    qk, v, rotations = draw(0, (9, 3), (9, 2), (1, 3, 2))
    one, other = (fa.reformer_attention(qk, v, rotations, block=3, scale=scale) for scale in (None, 1.0))
    np.testing.assert_array_equal(one, other)


def test_wrong_kinds_are_refused_by_name():
    with pytest.raises(TypeError, match="causal must be True or False"):
        fa.reformer_attention(np.ones((5, 3)), np.ones((5, 2)), causal=1)
    with pytest.raises(TypeError, match="mask must have dtype bool"):
        fa.reformer_attention(np.ones((5, 3)), np.ones((5, 2)), mask=np.ones((5, 5)))
    with pytest.raises(TypeError, match="buckets must be an integer"):
        fa.reformer_attention(np.ones((5, 3)), np.ones((5, 2)), buckets=2.0)


@FORMS
@settings(deadline=None)
@given(
    n=st.integers(1, 18), d=sizes, e=sizes, s=st.integers(1, 3), p=st.integers(1, 3), b=st.integers(1, 20), seed=seeds,
    causal=st.booleans(), hide=st.sampled_from(["", "pairs", "keys", "queries"]), scale=st.floats(0.1, 2),
    split=st.booleans(),
)  # fmt: skip
def test_reformer_attention_is_the_paper(form, n, d, e, s, p, b, seed, causal, hide, scale, split):
    qk, v, rotations, chance = draw(seed, (n, d), (n, e), (s, d, p), (n, n))
    mask = {"": None, "pairs": chance < 0.5, "keys": chance[:1] < 0.5, "queries": chance[:, :1] < 0.5}[hide]
    factors = [2] * p if split else None
    got = fa.reformer_attention(
        qk,
        v,
        rotations,
        block=b,
        causal=causal,
        mask=mask,
        scale=scale,
        form=form,
        buckets=tuple(factors) if split else None,
    )
    full = None if mask is None else np.broadcast_to(mask, (n, n))
    want = reformer.reformer_attention(
        *lists(qk, v, rotations), block=b, factors=factors, causal=causal, scale=scale, mask=lists(full)[0]
    )
    agree(got, want, d + n)
