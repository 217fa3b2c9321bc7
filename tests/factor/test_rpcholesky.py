"""Cholesky steps at pivots that are drawn from what is left of the diagonal."""

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st
from libraries import LIBRARIES
from matrices import best_error, hilbert, semidefinite
from oracles import lists, seeds, sizes
from oracles.factor import rpcholesky as oracle

from factorattn.factor.selection import rpcholesky
from factorattn.interpret.counting import counting
from factorattn.testing import BOUND, CHANCE, ROUNDING
from factorattn.testing.case import to_numpy
from factorattn.testing.cost_laws import declared_growth_is_counted

CHOICES = ["random", "greedy"]
DRAWS = 1000


@pytest.fixture(params=LIBRARIES)
def xp(request):
    return pytest.importorskip(request.param)


def draw(p, seed, dtype="float64"):
    """Eigenvalues between 1 and 2: no step is near singular."""
    return semidefinite(p, 1 + np.random.default_rng(seed).random(p), seed=seed, dtype=dtype)


@settings(deadline=None)
@given(p=sizes, seed=seeds, choose=st.sampled_from(CHOICES), data=st.data())
def test_it_is_elimination_at_the_pivots_of_the_paper(p, seed, choose, data):
    a, rank = draw(p, seed), data.draw(st.integers(1, p))
    got = rpcholesky(a, rank, choose=choose, rng=seed)
    if choose == "random":
        pivots, left = oracle.rpcholesky(*lists(a), np.random.default_rng(seed).random(rank).tolist())
    else:
        pivots, left = oracle.rpcholesky(*lists(a), rank=rank)
    assert got.landmarks.tolist() == pivots
    assert np.max(np.abs(a - got.to_dense() - np.array(left))) <= ROUNDING("float64", a.size) * np.max(np.abs(a))
    assert abs(got.error_bound - np.trace(left)) <= ROUNDING("float64", a.size) * np.trace(a)


@pytest.mark.parametrize("choose", CHOICES)
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_the_residual_is_semidefinite_and_its_trace_the_bound(xp, dtype, choose):
    a = np.stack([semidefinite(8, 0.5 ** np.arange(8), seed=seed, dtype=dtype) for seed in range(6)])
    a = np.reshape(a, (2, 3, 8, 8)).astype(dtype)
    for rank in (1, 3, 8, 100):
        got = rpcholesky(xp.asarray(a), rank, choose=choose, rng=0)
        left = a - to_numpy(got.to_dense())
        allowed = ROUNDING(dtype, 64)
        assert to_numpy(got.g).shape == (2, 3, 8, min(rank, 8))
        assert np.all(np.linalg.eigvalsh(left) >= -allowed)
        trace = np.trace(left, axis1=-2, axis2=-1).real
        assert np.all(np.abs(trace - to_numpy(got.error_bound)) <= allowed)
        error = np.linalg.norm(left, axis=(-2, -1))
        assert np.all(error <= to_numpy(got.error_bound) + allowed)
        assert np.all(best_error(a, rank) <= error + allowed)


@pytest.mark.parametrize("choose", CHOICES)
def test_pivots_are_different_and_their_rows_and_columns_are_met(xp, choose):
    a = np.stack([draw(7, seed) for seed in range(4)])
    got = rpcholesky(xp.asarray(a), 4, choose=choose, rng=3)
    at, dense = to_numpy(got.landmarks), to_numpy(got.to_dense())
    assert np.all(np.diff(np.sort(at, axis=-1), axis=-1) > 0)
    for matrix, near, index in zip(a, dense, at, strict=True):
        assert np.max(np.abs((matrix - near)[index])) <= ROUNDING("float64", a.size) * np.max(np.abs(a))


def test_the_draw_is_the_same_on_every_library(xp):
    a = np.stack([draw(7, seed) for seed in range(4)])
    got, want = (rpcholesky(x, 4, rng=11).landmarks for x in (xp.asarray(a), a))
    assert np.array_equal(to_numpy(got), want)


def test_a_pivot_is_drawn_in_proportion_to_what_is_left():
    """Of diag(A) first; after one step, of the diagonal of the Schur complement."""
    a = np.asarray([[4.0, 2.0, 0.0], [2.0, 3.0, 1.0], [0.0, 1.0, 1.0]])
    at = rpcholesky(np.broadcast_to(a, (4 * DRAWS, 3, 3)), 2, rng=0).landmarks
    for j, share in enumerate((4 / 8, 3 / 8, 1 / 8)):
        assert abs(np.mean(at[:, 0] == j) - share) <= CHANCE(at[:, 0] == j)
    # After pivot 0 there remain 3 - 1 and 1 of the diagonal; after pivot 1, 4 - 4/3 and 1 - 1/3.
    for first, second, share in ((0, 1, 2 / 3), (0, 2, 1 / 3), (1, 0, 0.8), (1, 2, 0.2)):
        hits = at[at[:, 0] == first, 1] == second
        assert abs(np.mean(hits) - share) <= CHANCE(hits)


@pytest.mark.parametrize("values", [1.0 / (1 + np.arange(40)) ** 2, 0.7 ** np.arange(40), [5.0, 4.0] + [0.01] * 38])
@pytest.mark.parametrize(("r", "eps"), [(1, 1.0), (2, 0.5), (3, 1.0)])
def test_the_expected_trace_is_within_the_bound_of_chen_epperly_tropp_and_webber(values, r, eps):
    """E tr(A - F) <= (1 + eps) tr(A - A_r) once k >= r / eps + r log(1 / (eps eta)), eta = tr(A - A_r) / tr(A)."""
    a, values = semidefinite(40, values), np.asarray(values)
    tail = np.sum(values[r:])
    eta = tail / np.sum(values)
    k = int(np.ceil(r / eps + max(0.0, r * np.log(1 / (eps * eta)))))
    assert k < 40
    traces = rpcholesky(np.broadcast_to(a, (DRAWS, 40, 40)), k, rng=0).error_bound
    assert np.mean(traces) <= BOUND((1 + eps) * tail, length=a.size) + CHANCE(traces)


def test_one_step_takes_the_expected_share_of_the_trace():
    """E (A - F) = A - A^2 / tr A, of which the trace is taken."""
    a = semidefinite(20, 0.8 ** np.arange(20))
    traces = rpcholesky(np.broadcast_to(a, (4 * DRAWS, 20, 20)), 1, rng=0).error_bound
    assert abs(np.mean(traces) - (np.trace(a) - np.trace(a @ a) / np.trace(a))) <= CHANCE(traces)


def test_greedy_pivots_can_be_misled_where_drawn_ones_are_not():
    """Ten entries that are a little larger and stand alone, beside a block of ones of rank 1."""
    alone, block = 10, 100
    a = scipy.linalg.block_diag(1.01 * np.eye(alone), np.ones((block, block)))
    greedy = rpcholesky(a, alone, choose="greedy")
    assert sorted(greedy.landmarks.tolist()) == list(range(alone))
    assert abs(greedy.error_bound - block) <= ROUNDING("float64", a.size) * np.trace(a)
    many = rpcholesky(np.broadcast_to(a, (DRAWS // 10, *a.shape)), alone, rng=0).error_bound
    assert np.mean(many) + CHANCE(many) < 1.01 * alone  # of the best matrix of rank 1, nearly


def test_a_worked_example():
    """With the first pivot, g = (2, 1) and 5 - 1 is left."""
    got = rpcholesky(np.asarray([[4.0, 2.0], [2.0, 3.0]]), 1, choose="greedy")
    assert got.g.tolist() == [[2.0], [1.0]]
    assert got.landmarks.tolist() == [0]
    assert float(got.error_bound) == 2.0


@pytest.mark.parametrize("choose", CHOICES)
@pytest.mark.parametrize("rank", [1, 2, 5])
def test_once_nothing_is_left_columns_are_zero(xp, rank, choose):
    a = semidefinite(9, np.arange(rank, 0.0, -1))
    for asked in (rank, rank + 1, 9):
        got = rpcholesky(xp.asarray(a), asked, choose=choose, rng=0)
        dense, g, at = to_numpy(got.to_dense()), to_numpy(got.g), to_numpy(got.landmarks)
        assert np.max(np.abs(dense - a)) <= ROUNDING("float64", a.size) * np.max(np.abs(a))
        assert np.array_equal(g[:, rank:], np.zeros((9, asked - rank)))
        assert len(set(at.tolist())) == asked


@pytest.mark.parametrize("choose", CHOICES)
def test_hard_matrices(xp, choose):
    for a in (np.zeros((4, 4)), np.ones((5, 5)), hilbert(12), np.stack([np.zeros((3, 3)), np.ones((3, 3))])):
        dense = to_numpy(rpcholesky(xp.asarray(a), 12, choose=choose, rng=0).to_dense())
        assert np.max(np.abs(dense - a)) <= ROUNDING("float64", a.size)
        assert np.array_equal(dense[a == 0], a[a == 0])
    for shape in ((0, 0), (0, 3, 3)):
        assert tuple(rpcholesky(xp.zeros(shape), 2, choose=choose, rng=0).to_dense().shape) == shape


def test_only_the_diagonal_and_the_columns_of_pivots_count():
    """Other entries, within what is let in, change nothing."""
    a = draw(6, 0)
    got = rpcholesky(a, 2, choose="greedy")
    rest = np.setdiff1d(np.arange(6), got.landmarks)
    other = a.copy()
    other[rest[0], rest[1]] = other[rest[1], rest[0]] = 0.0
    assert np.array_equal(rpcholesky(other, 2, choose="greedy").g, got.g)


@pytest.mark.parametrize("shape", [(6, 6), (2, 5, 5)])
def test_a_product_costs_what_is_declared(shape):
    xp = counting()
    got = rpcholesky(xp.empty(shape), 3, rng=0)
    before = xp.tally.flops
    got.matvec(xp.empty(shape[:-1]))
    assert xp.tally.flops - before == got.flops


def test_the_declared_cost_grows_as_the_counted_one():
    declared_growth_is_counted(rpcholesky, {"p": 4000, "r": 400})


def test_bad_input_is_refused_by_name():
    with pytest.raises(ValueError, match="a must be positive semidefinite, but differs from its conjugate transpose"):
        rpcholesky(np.asarray([[2.0, 1.0], [0.0, 2.0]]), 1)
    with pytest.raises(ValueError, match="a must be positive semidefinite, but differs from its conjugate transpose"):
        rpcholesky(np.asarray([[2.0, 1.0j], [1.0j, 2.0]]), 1)
    with pytest.raises(ValueError, match="a must be positive semidefinite, but has negative entries on its diagonal"):
        rpcholesky(np.diag([2.0, -1.0]), 1)
    with pytest.raises(ValueError, match="a must be positive semidefinite, but has its largest entry beside the diag"):
        rpcholesky(np.asarray([[0.0, 1.0], [1.0, 0.0]]), 1)
    with pytest.raises(ValueError, match="axis 'p' is 3 in a"):
        rpcholesky(np.ones((3, 2)), 1)
    with pytest.raises(ValueError, match="choose must be 'random' or 'greedy', got 'uniform'"):
        rpcholesky(np.eye(3), 1, choose="uniform")
    with pytest.raises(ValueError, match="rank must be a positive integer"):
        rpcholesky(np.eye(3), 0)
    with pytest.raises(ValueError, match="a must be finite"):
        rpcholesky(np.full((3, 3), np.nan), 1)
