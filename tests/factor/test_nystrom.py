"""A semidefinite matrix from what it makes of a few vectors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from libraries import LIBRARIES
from matrices import best_error, hilbert, semidefinite
from oracles import lists, seeds, sizes
from oracles.factor import nystrom as oracle

from factorattn.factor.selection import cur, nystrom, rpcholesky
from factorattn.interpret.counting import counting
from factorattn.testing import BOUND, CHANCE, ROUNDING
from factorattn.testing.case import to_numpy
from factorattn.testing.cost_laws import declared_growth_is_counted

CHOICES = ["rpcholesky", "uniform", "leverage", "gaussian"]
every_choice = pytest.mark.parametrize("choose", CHOICES)
DRAWS = 500


@pytest.fixture(params=LIBRARIES)
def xp(request):
    return pytest.importorskip(request.param)


def draw(p, seed, dtype="float64"):
    """Eigenvalues between 1 and 2: no block is near singular."""
    return semidefinite(p, 1 + np.random.default_rng(seed).random(p), seed=seed, dtype=dtype)


@settings(deadline=None)
@given(p=sizes, seed=seeds, data=st.data())
def test_it_is_that_of_williams_and_seeger(p, seed, data):
    a, rank = draw(p, seed), data.draw(st.integers(1, p))
    for choose in ("rpcholesky", "uniform", "leverage"):
        got = nystrom(a, rank, choose=choose, rng=seed)
        want = np.array(oracle.nystrom(*lists(a), got.landmarks.tolist()))
        assert np.max(np.abs(got.to_dense() - want)) <= ROUNDING("float64", a.size) * np.max(np.abs(a))
        assert abs(got.error_bound - np.trace(a - want)) <= ROUNDING("float64", a.size) * np.trace(a)


@every_choice
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_the_residual_is_semidefinite_and_its_trace_the_bound(xp, dtype, choose):
    a = np.stack([semidefinite(8, 0.5 ** np.arange(8), seed=seed, dtype=dtype) for seed in range(6)])
    a = np.reshape(a, (2, 3, 8, 8)).astype(dtype)
    for rank in (1, 3, 8, 100):
        got = nystrom(xp.asarray(a), rank, choose=choose, rng=0)
        left, g = a - to_numpy(got.to_dense()), to_numpy(got.g)
        allowed = ROUNDING(dtype, 64) * np.sqrt(64)  # the shift is sqrt(p) |Y| roundings
        assert g.shape == (2, 3, 8, min(rank, 8))
        assert np.all(np.linalg.eigvalsh(left) >= -allowed)
        trace = np.trace(left, axis1=-2, axis2=-1).real
        assert np.all(np.abs(trace - to_numpy(got.error_bound)) <= allowed)
        error = np.linalg.norm(left, axis=(-2, -1))
        assert np.all(error <= to_numpy(got.error_bound) + allowed)
        assert np.all(best_error(a, rank) <= error + allowed)
        across = g.mT.conj() @ g
        assert np.max(np.abs(across - across * np.eye(g.shape[-1]))) <= allowed
        assert np.all(np.diff(np.diagonal(across, axis1=-2, axis2=-1).real, axis=-1) <= allowed)


def test_pivots_of_randomly_pivoted_cholesky_give_its_matrix():
    a = np.stack([draw(8, seed) for seed in range(3)])
    one, other = nystrom(a, 3, rng=4), rpcholesky(a, 3, rng=4)
    assert np.array_equal(one.landmarks, other.landmarks)
    assert np.max(np.abs(one.to_dense() - other.to_dense())) <= ROUNDING("float64", a.size) * np.max(np.abs(a))
    assert np.max(np.abs(one.error_bound - other.error_bound)) <= ROUNDING("float64", a.size) * np.max(np.abs(a))


def test_the_intersection_of_the_same_rows_and_columns_is_the_same():
    a = draw(8, 0)
    rows = cur(a, 3, choose="pivoted", middle="intersection")
    assert sorted(rows.row_index.tolist()) == sorted(rows.column_index.tolist())  # as A is far from singular
    same = nystrom(a, 3, landmarks=rows.column_index.tolist())
    assert np.max(np.abs(same.to_dense() - rows.to_dense())) <= ROUNDING("float64", a.size) * np.max(np.abs(a))


def test_landmarks_may_be_given(xp):
    a = np.stack([draw(8, seed) for seed in range(3)])
    got = nystrom(xp.asarray(a), 3, landmarks=(5, 0, 2))
    assert to_numpy(got.landmarks).tolist() == [[5, 0, 2]] * 3
    for member, near in zip(a, to_numpy(got.to_dense()), strict=True):
        want = np.array(oracle.nystrom(*lists(member), [5, 0, 2]))
        assert np.max(np.abs(near - want)) <= ROUNDING("float64", a.size) * np.max(np.abs(a))


@every_choice
def test_the_draw_is_the_same_on_every_library(xp, choose):
    a = np.stack([draw(7, seed) for seed in range(4)])
    got, want = (nystrom(x, 4, choose=choose, rng=11) for x in (xp.asarray(a), a))
    assert np.max(np.abs(to_numpy(got.to_dense()) - want.to_dense())) <= ROUNDING("float64", a.size) * np.max(np.abs(a))


def test_columns_are_drawn_as_the_option_says():
    a = np.broadcast_to(semidefinite(5, [4.0, 2.0, 1.0, 0.5, 0.25]), (8 * DRAWS, 5, 5))
    vector = np.linalg.eigh(a[0])[1][:, -1]
    for choose, weights in (("uniform", np.ones(5)), ("leverage", vector**2), ("rpcholesky", np.diagonal(a[0]))):
        at = nystrom(a, 1, choose=choose, rng=0).landmarks[:, 0]
        for j in range(5):
            assert abs(np.mean(at == j) - weights[j] / weights.sum()) <= CHANCE(at == j)


@pytest.mark.parametrize("values", [1.0 / (1 + np.arange(30)) ** 2, 0.7 ** np.arange(30), [5.0, 4.0] + [0.01] * 28])
@pytest.mark.parametrize(("r", "k"), [(1, 3), (2, 6), (4, 8)])
def test_the_expected_trace_of_a_sketch_is_within_the_bound_of_tropp_and_others(values, r, k):
    """E tr(A - F) <= (1 + r / (k - r - 1)) tr(A - A_r) for standard normal vectors."""
    a = np.broadcast_to(semidefinite(30, values), (DRAWS, 30, 30))
    traces = nystrom(a, k, choose="gaussian", rng=0).error_bound
    bound = (1 + r / (k - r - 1)) * np.sum(np.asarray(values)[r:])
    assert np.mean(traces) <= BOUND(bound, length=900) + CHANCE(traces)


def test_uniform_columns_may_miss_what_few_columns_hold():
    """One entry of a hundred holds the half of the trace; rpcholesky takes it as often."""
    a = np.diag([99.0] + [1.0] * 99)
    batch = np.broadcast_to(a, (DRAWS, 100, 100))
    hits = {
        choose: nystrom(batch, 1, choose=choose, rng=0).landmarks[:, 0] == 0 for choose in ("uniform", "rpcholesky")
    }
    assert abs(np.mean(hits["rpcholesky"]) - 0.5) <= CHANCE(hits["rpcholesky"])
    assert abs(np.mean(hits["uniform"]) - 0.01) <= CHANCE(hits["uniform"])


@every_choice
@pytest.mark.parametrize("rank", [1, 2, 5])
def test_a_matrix_of_low_rank_is_returned_whole(xp, rank, choose):
    a = semidefinite(9, np.arange(rank, 0.0, -1))
    for asked in (rank, rank + 1, 9):
        got = nystrom(xp.asarray(a), asked, choose=choose, rng=0)
        core = a[np.ix_(to_numpy(got.landmarks), to_numpy(got.landmarks))] if got.landmarks is not None else a
        values = np.linalg.eigvalsh(core)
        condition = values[-1] / values[values > values[-1] * ROUNDING("float64", 81)][0]
        allowed = ROUNDING("float64", a.size) * np.max(np.abs(a)) * condition
        assert np.max(np.abs(to_numpy(got.to_dense()) - a)) <= allowed


def test_a_large_singular_matrix_has_its_factor(xp):
    """The shift makes a block of 300 with rank 5 definite."""
    a = semidefinite(300, np.arange(5.0, 0.0, -1))
    for choose in CHOICES:
        got = to_numpy(nystrom(xp.asarray(a), 300, choose=choose, rng=0).to_dense())
        assert np.max(np.abs(got - a)) <= ROUNDING("float64", a.size) * np.max(np.abs(a))


@every_choice
def test_hard_matrices(xp, choose):
    for a in (np.zeros((4, 4)), np.ones((5, 5)), hilbert(12), np.stack([np.zeros((3, 3)), np.ones((3, 3))])):
        dense = to_numpy(nystrom(xp.asarray(a), 12, choose=choose, rng=0).to_dense())
        assert np.max(np.abs(dense - a)) <= ROUNDING("float64", a.size)
        assert np.array_equal(dense[a == 0], a[a == 0])
    for shape in ((0, 0), (0, 3, 3)):
        assert tuple(nystrom(xp.zeros(shape), 2, choose=choose, rng=0).to_dense().shape) == shape


@every_choice
@pytest.mark.parametrize("shape", [(6, 6), (2, 5, 5)])
def test_a_product_costs_what_is_declared(shape, choose):
    xp = counting()
    got = nystrom(xp.empty(shape), 3, choose=choose, rng=0)
    before = xp.tally.flops
    got.matvec(xp.empty(shape[:-1]))
    assert xp.tally.flops - before == got.flops


@pytest.mark.peers
def test_scikit_learn_has_the_same_matrix():
    kernel_approximation = pytest.importorskip("sklearn.kernel_approximation", reason="scikit-learn is not installed")
    pairwise = pytest.importorskip("sklearn.metrics.pairwise", reason="scikit-learn is not installed")
    x = np.random.default_rng(0).standard_normal((40, 3))
    peer = kernel_approximation.Nystroem(gamma=0.5, n_components=8, random_state=0).fit(x)
    features = peer.transform(x)
    got = nystrom(pairwise.rbf_kernel(x, gamma=0.5), 8, landmarks=peer.component_indices_.tolist())
    condition = np.linalg.cond(pairwise.rbf_kernel(peer.components_, gamma=0.5))
    assert np.max(np.abs(got.to_dense() - features @ features.T)) <= ROUNDING("float64", 1600) * condition


def test_the_declared_cost_grows_as_the_counted_one():
    declared_growth_is_counted(nystrom, {"p": 2000, "r": 100})


def test_bad_input_is_refused_by_name():
    with pytest.raises(ValueError, match="a must be positive semidefinite, but differs from its conjugate transpose"):
        nystrom(np.asarray([[2.0, 1.0], [0.0, 2.0]]), 1)
    with pytest.raises(
        ValueError, match="choose must be 'rpcholesky' or 'uniform' or 'leverage' or 'gaussian', got 'x'"
    ):
        nystrom(np.eye(3), 1, choose="x")
    with pytest.raises(ValueError, match=r"landmarks must be distinct integers in 0 \.\. 2, got \[1, 1\]"):
        nystrom(np.eye(3), 2, landmarks=[1, 1])
    with pytest.raises(ValueError, match="axis 'r' is 2 in rank=2 but 1 in landmarks"):
        nystrom(np.eye(3), 2, landmarks=[1])
    with pytest.raises(ValueError, match="rank must be a positive integer"):
        nystrom(np.eye(3), 0)
    with pytest.raises(ValueError, match="a must be finite"):
        nystrom(np.full((3, 3), np.inf), 1)
    with pytest.raises(np.linalg.LinAlgError):
        nystrom(np.asarray([[1.0, 0.9, 0.1], [0.9, 1.0, 0.9], [0.1, 0.9, 1.0]]), 3)
