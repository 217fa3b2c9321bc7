"""Facts about BigBird: what is seen, what it costs, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, bigbird, draw, lists, seeds, sizes
from pairs import masks, seen

import factorattn as fa
from factorattn import pattern

FORMS = fa.bigbird_attention.record.forms


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("picks", [None, (), (5, 199, 70)])
@pytest.mark.parametrize(("block", "window", "random"), [(1, 1, 3), (10, 0, 2), (16, 2, 0), (64, 1, 3), (300, 1, 3)])
def test_the_pairs_are_those_of_the_pattern(block, window, random, picks, causal, form):
    options = {"block": block, "window": window, "random": random, "global_tokens": picks, "causal": causal, "rng": 3}
    got = seen(fa.bigbird_attention, 200, **options, form=form)
    np.testing.assert_array_equal(got, pattern.bigbird(200, **options).dense())


def test_by_default_it_is_the_one_of_the_authors():
    """Three near blocks of 64, three random ones, and the first and the last block global."""
    got = seen(fa.bigbird_attention, 2000)
    ends = [*range(64), *range(1984, 2000)]
    want = pattern.bigbird(2000, 64, window=1, random=3, global_tokens=ends, rng=0)
    np.testing.assert_array_equal(got, want.dense())
    counts = got.sum(axis=1)
    assert np.all(counts[ends] == 2000)
    assert set(counts[64 * 10 : 64 * 11]) == {64 * (1 + 3 + 3) + 16}


def test_any_two_tokens_are_two_steps_apart():
    assert pattern.bigbird(300, 16).reach(2) == pattern.full(300)


@pytest.mark.parametrize("form", FORMS)
def test_random_blocks_may_be_given(form):
    table = np.array([[3, 3], [0, 1], [-1, 0], [1, 2]])
    got = seen(fa.bigbird_attention, 8, block=2, window=0, global_tokens=(), random=table, form=form)
    want = np.eye(4, dtype=bool)
    want[0, 3] = want[1, 0] = want[2, 0] = want[3, 1] = want[3, 2] = True
    np.testing.assert_array_equal(got, np.kron(want, np.ones((2, 2), dtype=bool)))


def test_random_blocks_are_the_same_each_time_unless_told_otherwise(rng):
    q, k, v = rng.standard_normal((3, 900, 4))
    first, again, other = (fa.bigbird_attention(q, k, v, block=16, **options) for options in ({}, {}, {"rng": 1}))
    np.testing.assert_array_equal(first, again)
    assert np.any(first != other)


@pytest.mark.parametrize("causal", [False, True])
def test_cost_follows_the_pairs_and_not_the_square(causal):
    sizes = {"n": 2**14, "d": 64, "e": 64, "b": 64, "g": 128}
    small, large = (fa.cost(fa.bigbird_attention, {**sizes, "n": n}, causal=causal) for n in (2**14, 2**16))
    assert large.flops <= 4 * small.flops
    assert large.peak <= 4 * small.peak
    more = fa.cost(fa.bigbird_attention, sizes, causal=causal, random=6)
    assert small.flops < more.flops < 2 * small.flops


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"block": 0}, "block must be a positive integer, got 0"),
        ({"window": -1}, "window must be at least 0, got -1"),
        ({"random": -1}, "random must be at least 0, got -1"),
        ({"block": 2, "random": [[0], [1]]}, r"random must be a number or integers of shape \(3, r\)"),
        ({"block": 2, "random": [[0], [1], [3]]}, r"random must hold blocks in -1 \.\. 2, got 0 \.\. 3"),
        ({"global_tokens": (1, 1)}, r"global_tokens must be distinct integers in 0 \.\. 5"),
        ({"rng": -1}, "rng must be a non-negative integer"),
    ],
)
def test_nonsense_is_refused_by_name(options, words):
    with pytest.raises(ValueError, match=words):
        fa.bigbird_attention(*np.ones((3, 6, 4)), **options)


@pytest.mark.parametrize("form", FORMS)
@settings(deadline=None)
@given(
    st.integers(1, 24), sizes, sizes, st.integers(1, 9), st.integers(0, 2), st.integers(0, 3), seeds, st.booleans(),
    masks, st.data(),
)  # fmt: skip
def test_bigbird_attention_is_the_paper(form, n, d, e, block, window, r, seed, causal, kind, data):
    picks = data.draw(st.lists(st.integers(0, n - 1), unique=True, max_size=4))
    q, k, v = draw(seed, (n, d), (n, d), (n, e))
    mask, full = kind(seed, n, n)
    blocks = -(-n // block)
    table = np.random.default_rng(seed).integers(0, blocks, (blocks, r))
    options = {"block": block, "window": window, "global_tokens": picks, "causal": causal}
    got = fa.bigbird_attention(q, k, v, **options, random=table, mask=mask, form=form)
    agree(got, bigbird.bigbird_attention(*lists(q, k, v), **options, table=table.tolist(), mask=full), d + n)
