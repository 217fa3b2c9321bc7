"""The algebra of patterns against boolean matrices."""

import operator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factorattn import pattern
from factorattn.pattern import Pattern

sides = st.integers(0, 9)
seeds = st.integers(0, 2**32 - 1)


def matrix(seed, n, m):
    """A boolean matrix of some density, with runs of all lengths."""
    rng = np.random.default_rng(seed)
    return rng.random((n, m)) < rng.random()


@settings(deadline=None)
@given(sides, sides, seeds)
def test_a_pattern_is_the_matrix_that_it_was_made_from(n, m, seed):
    seen = matrix(seed, n, m)
    p = Pattern.from_dense(seen)
    np.testing.assert_array_equal(p.dense(), seen)
    i, j = np.nonzero(seen)
    assert p == Pattern.from_pairs(n, m, i, j)
    assert p == Pattern.from_runs(n, m, *p.runs())
    assert list(p) == list(zip(i.tolist(), j.tolist(), strict=True))
    assert (len(p), p.density) == (seen.sum(), seen.mean() if seen.size else 0)
    assert [row.tolist() for row in p.rows()] == [np.flatnonzero(row).tolist() for row in seen]
    np.testing.assert_array_equal(p.counts(), seen.sum(axis=1))
    assert all(((a, b) in p) == seen[a, b] for a in range(n) for b in range(m))
    assert (n, 0) not in p
    assert (0, m) not in p
    assert (-1, 0) not in p


@pytest.mark.parametrize("name", ["or_", "and_", "xor", "sub"])
@settings(deadline=None)
@given(sides, sides, seeds, seeds)
def test_operators_are_those_of_sets(name, n, m, one, other):
    f, (a, b) = getattr(operator, name), (matrix(seed, n, m) for seed in (one, other))
    got = f(Pattern.from_dense(a), Pattern.from_dense(b))
    want = a & ~b if name == "sub" else f(a, b)
    np.testing.assert_array_equal(got.dense(), want)
    assert got == Pattern.from_dense(want)
    assert hash(got) == hash(Pattern.from_dense(want))


@settings(deadline=None)
@given(sides, sides, st.tuples(seeds, seeds, seeds))
def test_the_laws_of_boolean_algebra_hold(n, m, seeds):
    a, b, c = (Pattern.from_dense(matrix(seed, n, m)) for seed in seeds)
    every, none = pattern.full(n, m), pattern.nothing(n, m)
    assert a | b == b | a
    assert a & (b | c) == (a & b) | (a & c)
    assert a | (b & c) == (a | b) & (a | c)
    assert ~(a | b) == ~a & ~b
    assert ~~a == a
    assert (a | ~a, a & ~a) == (every, none)
    assert (a | none, a & every, a - none, a ^ a) == (a, a, a, none)
    assert a - b == a & ~b
    assert a ^ b == (a | b) - (a & b)
    assert none <= a <= a | b <= every
    assert (a <= b) == (a & b == a) == (a | b == b)
    assert len(a) + len(b) == len(a | b) + len(a & b)


@settings(deadline=None)
@given(sides, sides, seeds, st.integers(1, 4))
def test_parts_and_views_are_those_of_the_matrix(n, m, seed, block):
    seen = matrix(seed, n, m)
    p = Pattern.from_dense(seen)
    np.testing.assert_array_equal(p.transposed().dense(), seen.T)
    i, j = np.ogrid[:n, :m]
    np.testing.assert_array_equal(p.causal().dense(), seen & (j <= i + m - n))
    for start in range(n + 1):
        for stop in range(n + 1):
            np.testing.assert_array_equal(p[start:stop].dense(), seen[start:stop])
    columns, squeezed = p.squeezed()
    np.testing.assert_array_equal(columns, np.flatnonzero(seen.any(axis=0)))
    np.testing.assert_array_equal(squeezed.dense(), seen[:, columns])
    tops, lefts = range(0, n, block), range(0, m, block)
    tiles = [[seen[a : a + block, b : b + block] for b in lefts] for a in tops]
    touched, full = (
        np.array([[f(tile) for tile in row] for row in tiles], dtype=bool).reshape(len(tops), len(lefts))
        for f in (np.any, np.all)
    )
    np.testing.assert_array_equal(p.blocks(block).dense(), touched)
    np.testing.assert_array_equal(p.full_blocks(block).dense(), full)
    spread = np.repeat(np.repeat(seen, block, axis=0), block, axis=1)
    rows, cols = max(n * block - 1, 0), max(m * block - 2, 0)
    np.testing.assert_array_equal(p.spread(block, rows, cols).dense(), spread[:rows, :cols])


@settings(deadline=None)
@given(sides, seeds)
def test_positions_can_be_put_in_another_order(n, seed):
    seen, order = matrix(seed, n, n), np.random.default_rng(seed).permutation(n)
    np.testing.assert_array_equal(Pattern.from_dense(seen).permuted(order).dense(), seen[np.ix_(order, order)])


@settings(deadline=None)
@given(sides, sides, sides, seeds, seeds)
def test_steps_join_as_boolean_matrices_multiply(n, m, k, one, other):
    a, b = matrix(one, n, m), matrix(other, m, k)
    np.testing.assert_array_equal((Pattern.from_dense(a) @ Pattern.from_dense(b)).dense(), a @ b)


@settings(deadline=None)
@given(sides, seeds, st.integers(0, 6))
def test_reach_is_a_boolean_power(n, seed, hops):
    seen = matrix(seed, n, n)
    want = np.linalg.matrix_power(seen.astype(object), hops) > 0 if n else seen
    np.testing.assert_array_equal(Pattern.from_dense(seen).reach(hops).dense(), want)


def test_a_product_may_look_at_its_runs_in_portions(monkeypatch):
    a, b = (Pattern.from_dense(matrix(seed, 30, 30)) for seed in (1, 2))
    whole = a @ b
    monkeypatch.setattr("factorattn.pattern.runs.CHUNK", 7)
    assert a @ b == whole


@settings(deadline=None)
@given(sides, st.lists(seeds, min_size=1, max_size=4), st.booleans())
def test_a_receptive_field_is_the_product_of_the_layers_last_layer_first(n, seeds, residual):
    seen = [matrix(seed, n, n) for seed in seeds]
    want = np.eye(n, dtype=bool)
    for layer in seen:
        want = (layer | (np.eye(n, dtype=bool) & residual)) @ want
    got = pattern.receptive_field([Pattern.from_dense(layer) for layer in seen], residual=residual)
    np.testing.assert_array_equal(got.dense(), want)


def test_time_and_memory_follow_runs_and_not_the_square():
    n = 10**5
    every, near = pattern.full(n), pattern.window(n, 100)
    assert (every.edges.size, near.edges.size) == (2, 2 * n)
    assert len(every) == n**2
    assert len(near) == 201 * n - 100 * 101
    assert len(every - near) == n**2 - len(near)
    assert near.blocks(1000) == pattern.window(100, 1)
    assert near.reach(2) == pattern.window(n, 200)


def test_pictures_and_words():
    p = pattern.window(4, 1, causal=True)
    assert str(p) == "#---\n##--\n-##-\n--##"
    assert repr(p) == "Pattern(4 x 4, 7 pairs, density 0.438)"
    assert str(pattern.full(100)) == "Pattern(100 x 100, 10000 pairs, density 1)"
    assert str(pattern.nothing(0, 3)) == ""


def test_a_pattern_cannot_be_changed():
    p = pattern.full(3)
    with pytest.raises(ValueError, match="read-only"):
        p.edges[0] = 1
    with pytest.raises(AttributeError, match="n"):
        p.n = 4


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: pattern.full(3) | pattern.full(4), "patterns must have one shape, got 3 x 3 and 4 x 4"),
        (lambda: pattern.full(3, 2) @ pattern.full(3, 2), "the columns of one must be the rows of the other"),
        (lambda: pattern.full(3, 2).reach(2), "as many queries as keys"),
        (lambda: pattern.full(3).reach(-1), "hops must be at least 0, got -1"),
        (lambda: pattern.full(3)[::2], "rows must follow one another, got a step of 2"),
        (lambda: pattern.full(3).permuted([0, 1, 1]), "order must be a permutation of the 3 queries"),
        (lambda: pattern.full(3).blocks(0), "block must be at least 1, got 0"),
        (lambda: Pattern.from_pairs(3, 3, [3], [0]), r"rows i must lie in 0 \.\. 2, got 3 \.\. 3"),
        (lambda: Pattern.from_pairs(3, 3, [0], [-1]), r"keys j must lie in 0 \.\. 2, got -1 \.\. -1"),
        (lambda: Pattern.from_dense([[1, 0]]), "seen must be a boolean matrix, got int64"),
        (lambda: Pattern.from_dense([True]), "seen must be a boolean matrix"),
        (lambda: pattern.nothing(-1), "n must be at least 0, got -1"),
        (lambda: pattern.receptive_field([]), "layers must be one pattern or more"),
        (lambda: pattern.receptive_field([pattern.full(2), pattern.full(3)]), "all of one size"),
    ],
)
def test_nonsense_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.parametrize("f", [operator.or_, operator.and_, operator.sub, operator.xor, operator.le, operator.matmul])
def test_other_things_are_no_patterns(f):
    with pytest.raises(TypeError):
        f(pattern.full(3), np.ones((3, 3), dtype=bool).tolist())
    assert pattern.full(3) != "full"
