"""Principal component pursuit: both parts are found again where the theorem says so, and are at the minimum."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from libraries import LIBRARIES
from oracles import draw, lists, seeds
from oracles.factor import robust_pca as oracle

from factorattn.factor.factored import Sparse
from factorattn.factor.lowrank import robust_pca
from factorattn.interpret.counting import NeedsValues, counting
from factorattn.testing import BOUND, ROUNDING


@pytest.fixture(params=LIBRARIES)
def xp(request):
    return pytest.importorskip(request.param)


def planted(p, q, rank, share, seed=0, dtype="float64"):
    """A matrix of low rank, and one of a few large entries."""
    rng = np.random.default_rng(seed)
    low = rng.standard_normal((p, rank)) @ rng.standard_normal((rank, q)) / np.sqrt(rank)
    sparse = np.where(rng.random((p, q)) < share, rng.choice([-5.0, 5.0], (p, q)), 0.0)
    if np.dtype(dtype).kind == "c":
        low, sparse = low * np.exp(0.3j), sparse * np.exp(1j * rng.random((p, q)))
    return low.astype(dtype), sparse.astype(dtype)


@settings(max_examples=30, deadline=None)
@given(p=st.integers(1, 5), q=st.integers(1, 5), rounds=st.integers(1, 6), seed=seeds)
def test_the_rounds_are_those_of_the_paper(p, q, rounds, seed):
    (a,) = draw(seed, (p, q))
    parts = robust_pca(a, rounds, tolerance=0.0)
    scale = np.max(np.abs(a)) * rounds
    for got, want in zip(parts.terms, oracle.robust_pca(*lists(a), rounds), strict=True):
        assert np.max(np.abs(got.to_dense() - want)) <= ROUNDING("float64", p * q * rounds) * scale


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("shape", [(60, 40), (40, 60), (50, 50)])
def test_both_parts_are_found_again(xp, shape, dtype):
    low, sparse = planted(*shape, 3, 0.05, dtype=dtype)
    tolerance = 1e-9
    parts = robust_pca(xp.asarray(low + sparse), tolerance=tolerance)
    svd, few = parts.terms
    found = np.asarray(few.to_dense())
    assert svd.s.shape == (3,)
    assert few.parameters == np.count_nonzero(sparse)
    np.testing.assert_array_equal(found != 0, sparse != 0)
    error = np.linalg.norm(np.asarray(svd.to_dense()) - low)
    assert error <= np.sqrt(tolerance) * np.linalg.norm(low)  # half of the digits of the sum, at least


def test_the_parts_are_at_the_minimum():
    """The dual problem has nearly the same value: max <Y, A> where |Y|_2 <= 1 and all |Y_ij| <= weight."""
    a = np.random.default_rng(0).standard_normal((30, 20))  # nothing is planted
    tolerance, weight = 1e-9, 30**-0.5
    parts = robust_pca(a, 20000, tolerance=tolerance)
    svd, few = parts.terms
    primal = np.sum(svd.s) + weight * np.sum(np.abs(few.x))
    assert 0 < few.parameters < a.size
    assert 0 < svd.s.shape[0] < 20
    y = dual(a, np.asarray(svd.to_dense()), few.x, svd, weight)
    bound = np.sum(y * a) / max(np.linalg.norm(y, 2), np.max(np.abs(y)) / weight)
    assert bound <= BOUND(primal, length=a.size)
    assert primal - bound <= np.sqrt(tolerance) * primal


def dual(a, low, sparse, svd, weight):
    """A point of the dual: weight sign(S) where S is, U V^T on the space of L, the rest by alternating projections."""
    u, v = svd.u, svd.vt.T
    y = u @ v.T
    for _ in range(20000):
        y = np.where(sparse != 0, weight * np.sign(sparse), np.clip(y, -weight, weight))
        outside = y - u @ (u.T @ y)
        outside = outside - (outside @ v) @ v.T
        left, s, right = np.linalg.svd(outside, full_matrices=False)
        y = u @ v.T + (left * np.minimum(s, 1)) @ right
    return y


def test_what_is_returned_adds_up(xp):
    for dtype, tolerance in (("float64", 1e-7), ("float32", 1e-5)):
        a = sum(planted(30, 20, 2, 0.1)).astype(dtype)
        parts = robust_pca(xp.asarray(a), tolerance=tolerance)
        dense = np.asarray(parts.to_dense())
        error = np.linalg.norm((a - dense).astype("float64"))
        assert dense.dtype == np.dtype(dtype)
        assert error <= BOUND(float(parts.error_bound), dtype, a.size) + ROUNDING(dtype, a.size) * np.linalg.norm(a)
        assert error <= BOUND(tolerance * np.linalg.norm(a), dtype, a.size) + ROUNDING(dtype, a.size) * np.linalg.norm(
            a
        )


def test_too_few_rounds_are_told_by_the_bound():
    a = sum(planted(30, 20, 2, 0.1))
    parts = robust_pca(a, 2)
    error = np.linalg.norm(a - parts.to_dense())
    assert float(parts.error_bound) > 1e-7 * np.linalg.norm(a)
    assert error <= BOUND(float(parts.error_bound), length=a.size)


def test_the_weight_moves_entries_from_one_part_to_the_other():
    a = sum(planted(30, 20, 2, 0.1))
    only_low, only_sparse = robust_pca(a, weight=10.0), robust_pca(a, weight=1e-3)
    assert only_low.terms[1].parameters == 0
    assert only_sparse.terms[0].s.shape == (0,)
    for parts in (only_low, only_sparse):
        assert np.linalg.norm(a - parts.to_dense()) <= BOUND(1e-7, length=a.size) * np.linalg.norm(a)


@pytest.mark.parametrize(
    ("dtype", "factor"), [("float32", 1e30), ("float32", 1e-30), ("float64", 1e150), ("float64", 1e-150)]
)
def test_any_scale(dtype, factor):
    a = sum(planted(30, 20, 2, 0.1)).astype(dtype)
    one = robust_pca(a, 20, tolerance=0.0)
    other = robust_pca(a * np.dtype(dtype).type(factor), 20, tolerance=0.0)
    for x, y in zip(one.terms, other.terms, strict=True):
        allowed = ROUNDING(dtype, 20 * a.size) * np.max(np.abs(a))
        assert np.max(np.abs(x.to_dense() - y.to_dense() / np.dtype(dtype).type(factor))) <= allowed


@pytest.mark.parametrize("shape", [(1, 6), (6, 1), (1, 1), (5, 4)])
def test_hard_matrices(shape):
    for a in (np.zeros(shape), np.ones(shape), 1 / (1.0 + np.indices(shape).sum(axis=0))):
        parts = robust_pca(a)
        assert np.linalg.norm(a - parts.to_dense()) <= BOUND(1e-7, length=a.size) * np.linalg.norm(a)
    assert robust_pca(np.zeros(shape)).parameters == 0


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
def test_what_is_empty_has_empty_parts(xp, shape):
    parts = robust_pca(xp.zeros(shape))
    assert tuple(parts.to_dense().shape) == shape
    assert float(parts.error_bound) == 0


def test_a_sparse_matrix_counts_what_is_not_zero():
    x = np.asarray([[0.0, 2.0, 0.0], [0.0, 0.0, -1.0]])
    sparse = Sparse(x)
    assert (sparse.parameters, sparse.flops, sparse.nbytes) == (2, 12, 48)
    np.testing.assert_array_equal(sparse @ np.eye(3), x)
    np.testing.assert_array_equal(sparse.mT.to_dense(), x.T)
    np.testing.assert_array_equal(sparse.rows(np.asarray([1, 0])), x[::-1])
    parts = robust_pca(sum(planted(20, 15, 1, 0.1)))
    svd, few = parts.terms
    assert parts.parameters == svd.parameters + few.parameters
    assert few.parameters < 20 * 15


def test_flops_are_those_that_are_counted():
    parts = robust_pca(sum(planted(20, 15, 1, 0.1)))
    counts = counting()
    counted = parts.map(lambda x: counts.empty(x.shape))
    counts.tally.start()
    counted.matvec(counts.empty(15))
    assert counts.tally.flops == parts.flops


def test_rounds_that_end_early_cannot_be_counted():
    with pytest.raises(NeedsValues):
        robust_pca(counting().empty((6, 5)))


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"iterations": 0}, ValueError, "iterations must be a positive integer, got 0"),
        ({"weight": 0.0}, ValueError, "weight must be positive, got 0.0"),
        ({"tolerance": -1.0}, ValueError, "tolerance must be 0 or more, got -1.0"),
        ({"a": np.ones((2, 3, 2))}, ValueError, r"a needs shape \(p, q\), got \(2, 3, 2\)"),
        ({"a": np.asarray([[np.nan]])}, ValueError, r"a must be finite, but holds nan at \(0, 0\)"),
    ],
)
def test_bad_input_is_named(options, error, match):
    with pytest.raises(error, match=match):
        robust_pca(**({"a": np.ones((3, 2))} | options))


@pytest.mark.peers
def test_it_agrees_with_tensorly():
    """It keeps one copy of the part of low rank for each of both unfoldings: twice its weight."""
    decomposition = pytest.importorskip("tensorly.decomposition", reason="tensorly is not installed")
    a = sum(planted(40, 30, 2, 0.05))
    svd, few = robust_pca(a).terms
    low, sparse = decomposition.robust_pca(a, reg_E=2 * 40**-0.5, n_iter_max=1000, tol=1e-9, verbose=0)
    allowed = np.sqrt(1e-7) * np.linalg.norm(a)  # the parts are known to half of the digits of the sum
    assert np.linalg.norm(np.asarray(svd.to_dense()) - low) <= allowed
    assert np.linalg.norm(few.x - sparse) <= allowed


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rounds_end_at_rounding_where_no_error_is_allowed(monkeypatch, dtype):
    rng = np.random.default_rng(0)
    a = rng.standard_normal((32, 2)) @ rng.standard_normal((2, 32)) + 5.0 * (rng.random((32, 32)) < 0.05)
    module, rounds = sys.modules[robust_pca.__module__], []
    shrink = module.shrink_values
    monkeypatch.setattr(module, "shrink_values", lambda *given, xp: rounds.append(0) or shrink(*given, xp=xp))
    parts = robust_pca(a.astype(dtype), 1000, tolerance=0.0)
    assert len(rounds) < 1000
    assert float(parts.error_bound) <= BOUND(5 * np.finfo(dtype).eps * np.linalg.norm(a), dtype, a.size)
