"""Every shape against the set that its paper defines, pair by pair."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factorattn import pattern
from factorattn.testing import CHANCE

lengths, widths = st.integers(0, 20), st.integers(1, 8)


def holds(got, n, m, defined):
    """Hold a pattern against a definition of its pairs."""
    want = np.array([[defined(i, j) for j in range(m)] for i in range(n)], dtype=bool).reshape(n, m)
    np.testing.assert_array_equal(got.dense(), want)


@settings(deadline=None)
@given(lengths, lengths, st.integers(-9, 9), st.integers(-9, 9))
def test_bands(n, m, lo, hi):
    holds(pattern.band(n, m, lo, hi), n, m, lambda i, j: lo <= j - i <= hi)
    holds(pattern.band(n, m, lo, None), n, m, lambda i, j: lo <= j - i)
    holds(pattern.band(n, m, None, hi), n, m, lambda i, j: j - i <= hi)
    holds(pattern.causal(n, m), n, m, lambda i, j: j <= i + m - n)
    holds(pattern.full(n, m), n, m, lambda i, j: True)
    holds(pattern.nothing(n, m), n, m, lambda i, j: False)
    holds(pattern.identity(n), n, n, lambda i, j: i == j)


@settings(deadline=None)
@given(lengths, st.integers(0, 30), widths, st.booleans())
def test_windows(n, w, step, causal):
    past = lambda i, j: j <= i or not causal  # noqa: E731
    holds(pattern.window(n, w, causal=causal), n, n, lambda i, j: abs(i - j) <= w and past(i, j))
    holds(
        pattern.dilated(n, w, step, causal=causal),
        n,
        n,
        lambda i, j: (i - j) % step == 0 and abs(i - j) <= w * step and past(i, j),
    )
    holds(pattern.sinks(n, w, step), n, n, lambda i, j: j <= i and (i - j <= w or j < step))


@settings(deadline=None)
@given(lengths, widths, widths)
def test_sparse_transformer(n, stride, summary):
    holds(pattern.blocks(n, stride), n, n, lambda i, j: i // stride == j // stride)
    local = lambda i, j: i - stride <= j <= i  # noqa: E731
    back = lambda i, j: j <= i and (i - j) % stride == 0  # noqa: E731
    holds(pattern.strided(n, stride, part="local"), n, n, local)
    holds(pattern.strided(n, stride, part="strided"), n, n, back)
    holds(pattern.strided(n, stride), n, n, lambda i, j: local(i, j) or back(i, j))
    own = lambda i, j: j <= i and j // stride == i // stride  # noqa: E731
    last = lambda i, j: j <= i and j % stride >= stride - summary  # noqa: E731
    holds(pattern.fixed(n, stride, summary, part="local"), n, n, own)
    holds(pattern.fixed(n, stride, summary, part="summary"), n, n, last)
    holds(pattern.fixed(n, stride, summary), n, n, lambda i, j: own(i, j) or last(i, j))


@settings(deadline=None)
@given(lengths, widths)
def test_sparse_transformer_joins_every_earlier_pair_in_two_steps(n, stride):
    """Child et al. 2019: paths of p + 1 = 3 positions, with p = 2 heads."""
    past = pattern.causal(n)
    assert pattern.strided(n, stride).reach(2) == past
    assert pattern.strided(n, stride, part="strided") @ pattern.strided(n, stride, part="local") == past
    assert pattern.fixed(n, stride, 1).reach(2) == past
    heads = [pattern.fixed(n, stride, 1, part=part) for part in ("local", "summary")]
    assert pattern.receptive_field(heads) == past


@settings(deadline=None)
@given(st.integers(1, 20), widths, widths, st.booleans(), st.data())
def test_longformer(n, w, step, causal, data):
    picks = data.draw(st.lists(st.integers(0, n - 1), unique=True, max_size=3))

    def defined(i, j):
        near = (i - j) % step == 0 and abs(i - j) <= w * step
        return (near or i in picks or j in picks) and (j <= i or not causal)

    holds(pattern.longformer(n, w, picks, dilation=step, causal=causal), n, n, defined)


def test_one_global_token_joins_all_in_two_steps():
    assert pattern.window(50, 1).reach(2) == pattern.window(50, 2)
    assert pattern.longformer(50, 1, (7,)).reach(2) == pattern.full(50)


@settings(deadline=None)
@given(lengths, widths, st.integers(0, 9), st.booleans())
def test_local_1d(n, b, memory, causal):
    def defined(i, j):
        begin = i // b * b
        if causal:
            return begin - memory <= j <= i
        return begin - memory <= j < begin + b + memory

    holds(pattern.local_1d(n, b, memory, causal=causal), n, n, defined)


grids = st.integers(0, 7)


@settings(deadline=None)
@given(grids, grids)
def test_axial(x, y):
    n = x * y
    holds(pattern.axial(x, y), n, n, lambda i, j: i // y == j // y)
    holds(pattern.axial(x, y, "column"), n, n, lambda i, j: i % y == j % y)
    assert pattern.axial(x, y) @ pattern.axial(x, y, "column") == pattern.full(n)


@settings(deadline=None)
@given(grids, grids, widths, widths, grids, grids)
def test_local_2d(x, y, tall, wide, above, beside):
    def inside(i, j, below):
        row, column = i // y // tall * tall, i % y // wide * wide
        rows = row - above <= j // y < row + tall + below
        return rows and column - beside <= j % y < column + wide + beside

    def made(i):  # when a position is made: blocks row by row, then positions of a block
        row, column = divmod(i, y)
        return row // tall, column // wide, row, column

    block, memory = (tall, wide), (above, beside)
    holds(pattern.local_2d(x, y, block, memory), x * y, x * y, lambda i, j: inside(i, j, above))
    got = pattern.local_2d(x, y, block, memory, causal=True)
    holds(got, x * y, x * y, lambda i, j: inside(i, j, 0) and made(j) <= made(i))


@settings(deadline=None)
@given(st.integers(0, 40), widths, st.integers(0, 2), st.integers(0, 4), st.booleans(), st.data())
def test_bigbird(n, b, w, r, causal, data):
    picks = data.draw(st.none() | st.lists(st.integers(0, n - 1), unique=True, max_size=9)) if n else None
    tokens = pattern.block_ends(n, b, causal=causal) if picks is None else picks
    table = pattern.random_blocks(n, b, r, window=w, global_tokens=tokens, causal=causal, rng=5)

    def defined(i, j):
        near = abs(i // b - j // b) <= w or j // b in table[i // b]
        return (near or i in tokens or j in tokens) and (j <= i or not causal)

    options = {"window": w, "global_tokens": picks, "causal": causal}
    holds(pattern.bigbird(n, b, random=r, rng=5, **options), n, n, defined)
    assert pattern.bigbird(n, b, random=table, **options) == pattern.bigbird(n, b, random=r, rng=5, **options)


@settings(deadline=None)
@given(st.integers(0, 40), widths, st.integers(0, 2), st.integers(0, 9), st.booleans(), st.integers(0, 99))
def test_random_blocks_are_different_and_neither_near_nor_global(n, b, w, r, causal, seed):
    tokens = range(min(b, n))
    table = pattern.random_blocks(n, b, r, window=w, global_tokens=tokens, causal=causal, rng=seed)
    for i, row in enumerate(table.tolist()):
        allowed = {j for j in range(1, table.shape[0]) if abs(i - j) > w and (j < i or not causal)}
        drawn = [j for j in row if j >= 0]
        assert set(drawn) <= allowed
        assert len(set(drawn)) == len(drawn) == min(r, len(allowed))


def test_random_blocks_are_drawn_alike():
    """Each of the five that are allowed comes as often as the others."""
    draws = [pattern.random_blocks(8, 1, 2, window=1, global_tokens=(), rng=seed)[0] for seed in range(400)]
    for block in (2, 3, 4, 5, 6, 7):
        found = np.any(np.asarray(draws) == block, axis=1)
        assert abs(np.mean(found) - 2 / 6) <= CHANCE(found)


def test_the_first_random_blocks_do_not_depend_on_the_length():
    short, long = (
        pattern.random_blocks(n, 4, 3, window=1, global_tokens=range(4), causal=True, rng=1) for n in (41, 100)
    )
    np.testing.assert_array_equal(long[: short.shape[0]], short)


def test_given_random_blocks_are_left_out_where_they_are_seen_already():
    table = np.array([[1, 3], [3, 3], [0, 1], [0, 1]])
    got = pattern.random_blocks(4, 1, table, window=1, global_tokens=(0,))
    np.testing.assert_array_equal(got, [[-1, 3], [3, -1], [-1, -1], [-1, 1]])
    got = pattern.random_blocks(4, 1, table, window=1, global_tokens=(0,), causal=True)
    np.testing.assert_array_equal(got, [[-1, -1], [-1, -1], [-1, -1], [-1, 1]])


@settings(deadline=None)
@given(lengths, lengths, st.integers(0, 99))
def test_random_patterns_have_so_many_keys_in_each_row(n, m, seed):
    got = pattern.random(n, m, min(3, m), rng=seed)
    np.testing.assert_array_equal(got.counts(), np.full(n, min(3, m)))
    assert got == pattern.random(n, m, min(3, m), rng=seed)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: pattern.window(5, -1), "window must be at least 0, got -1"),
        (lambda: pattern.dilated(5, 1, 0), "dilation must be at least 1, got 0"),
        (lambda: pattern.strided(5, 0), "stride must be at least 1, got 0"),
        (lambda: pattern.strided(5, 2, part="summary"), "part must be 'merged' or 'local' or 'strided', got 'summary'"),
        (lambda: pattern.fixed(5, 2, 0), "summary must be at least 1, got 0"),
        (lambda: pattern.random(5, 2, 3), "keys must be at most 2, got 3"),
        (lambda: pattern.axial(2, 2, "both"), "axis must be 'row' or 'column', got 'both'"),
        (lambda: pattern.columns(3, 3, [3]), "keys j must lie in"),
        (lambda: pattern.local_2d(4, 4, 3, 1), r"block must be a pair \(rows, columns\), got 3"),
        (lambda: pattern.bigbird(8, 2, random=np.ones((3, 1), dtype=int)), r"integers of shape \(4, r\), got int64"),
        (lambda: pattern.bigbird(8, 2, random=np.full((4, 1), 4)), r"random must hold blocks in -1 \.\. 3"),
    ],
)
def test_nonsense_is_refused_by_name(call, words):
    with pytest.raises(ValueError, match=words):
        call()
