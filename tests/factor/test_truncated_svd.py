"""No matrix of rank r is nearer than the truncated singular value decomposition (Eckart and Young 1936)."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from libraries import LIBRARIES
from oracles import agree, draw, lists, seeds, sizes
from oracles.factor import truncated_svd as oracle

from factorattn.factor import truncated_svd
from factorattn.factor.lowrank.truncated_svd import leading_triplets
from factorattn.interpret.counting import counting
from factorattn.testing import BOUND, ROUNDING

SHAPES = [(7, 5), (5, 7), (6, 6), (1, 4), (4, 1)]


@pytest.fixture(params=LIBRARIES)
def xp(request):
    return pytest.importorskip(request.param)


def normal(*shape, dtype="float64"):
    rng = np.random.default_rng(0)
    a = rng.standard_normal(shape)
    return (a + 1j * rng.standard_normal(shape) if np.dtype(dtype).kind == "c" else a).astype(dtype)


def factored(xp, a, rank):
    """The factors as NumPy arrays: u, s, vt, their product and the error bound."""
    svd = truncated_svd(xp.asarray(a), rank)
    return tuple(np.asarray(x) for x in (svd.u, svd.s, svd.vt, svd.to_dense(), svd.error_bound))


@settings(deadline=None)  # kernels are imported in the first call
@given(p=sizes, q=sizes, rank=sizes, seed=seeds)
def test_it_is_the_decomposition_by_jacobi_rotations(p, q, rank, seed):
    (a,) = draw(seed, (p, q))
    dense, values, distance = oracle.truncated_svd(*lists(a), rank)
    _, s, _, product, bound = factored(np, a, rank)
    agree(s, values, p * q)
    agree(bound, distance, p * q)
    every = [*np.linalg.svd(a, compute_uv=False), 0.0]
    gap = every[0] if rank >= min(p, q) else every[rank - 1] - every[rank]  # the smaller, the less the space is known
    assert np.max(np.abs(product - dense)) * gap <= ROUNDING("float64", p * q) * every[0] ** 2


def test_a_matrix_worked_by_hand():
    """[[3, 0], [4, 5]] = sqrt(45) (1, 3)/sqrt(10) (1, 1)/sqrt(2) + sqrt(5) (3, -1)/sqrt(10) (1, -1)/sqrt(2)."""
    _, s, _, dense, bound = factored(np, np.asarray([[3.0, 0.0], [4.0, 5.0]]), 1)
    agree(s, [np.sqrt(45)], 4)
    agree(dense, [[1.5, 1.5], [4.5, 4.5]], 4)
    agree(bound, np.sqrt(5), 4)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_error_is_that_of_the_singular_values_left_out(xp, shape, dtype):
    a = normal(*shape, dtype=dtype)
    gram = (a.conj().T @ a if shape[0] > shape[1] else a @ a.conj().T).astype("complex128")
    eigenvalues = np.linalg.eigvalsh(gram)[::-1]
    for rank in range(1, min(shape) + 1):
        *_, dense, bound = factored(xp, a, rank)
        error = np.sum(np.abs(a - dense).astype("float64") ** 2)
        allowed = ROUNDING(dtype, a.size) * np.sum(eigenvalues)
        assert abs(error - np.sum(eigenvalues[rank:])) <= allowed
        assert abs(float(bound) ** 2 - error) <= allowed


@pytest.mark.parametrize("rank", [1, 2, 3, 4])
def test_no_matrix_of_the_same_rank_is_nearer(xp, rank):
    a, rng = normal(7, 5), np.random.default_rng(1)
    u, s, vt, dense, _ = factored(xp, a, rank)
    for _ in range(200):
        left = rng.standard_normal((7, rank))
        right = np.linalg.lstsq(left, a, rcond=None)[0]  # the best for this column space
        near = (u * s + 0.1 * rng.standard_normal(u.shape)) @ vt
        for other in (left @ right, near, left @ rng.standard_normal((rank, 5))):
            assert np.linalg.norm(a - dense) <= BOUND(np.linalg.norm(a - other), length=a.size)
            assert np.linalg.norm(a - dense, 2) <= BOUND(np.linalg.norm(a - other, 2), length=a.size)


def test_the_error_falls_with_the_rank_and_vanishes_at_full_rank(xp):
    a = normal(7, 5)
    errors = [np.linalg.norm(a - factored(xp, a, rank)[3]) for rank in range(1, 6)]
    assert all(after < before for before, after in itertools.pairwise(errors))
    assert errors[-1] <= ROUNDING("float64", a.size) * np.linalg.norm(a)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_rank_beyond_both_sides_gives_all_triplets(xp, shape):
    small = min(shape)
    for rank in (small, small + 1, 100):
        u, s, vt, _, bound = factored(xp, normal(*shape), rank)
        assert (u.shape, s.shape, vt.shape) == ((shape[0], small), (small,), (small, shape[1]))
        assert bound == 0


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("shape", SHAPES)
def test_vectors_are_orthonormal_and_values_fall(xp, shape, dtype):
    u, s, vt, *_ = factored(xp, normal(*shape, dtype=dtype), 3)
    allowed = ROUNDING("float64", max(shape))
    assert np.max(np.abs(u.conj().T @ u - np.eye(s.size))) <= allowed
    assert np.max(np.abs(vt @ vt.conj().T - np.eye(s.size))) <= allowed
    assert np.all(np.diff(s) <= 0)
    assert np.all(s >= 0)


def test_a_batch_is_factored_member_by_member(xp):
    a = normal(2, 3, 6, 4)
    u, s, vt, dense, bound = factored(xp, a, 2)
    assert (u.shape, s.shape, vt.shape, bound.shape) == ((2, 3, 6, 2), (2, 3, 2), (2, 3, 2, 4), (2, 3))
    for at in np.ndindex(2, 3):
        agree(dense[at], factored(xp, a[at], 2)[3].tolist(), 24)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0), (2, 0, 3)])
def test_what_is_empty_has_no_triplet(xp, shape):
    _, s, _, dense, bound = factored(xp, np.zeros(shape), 2)
    assert (s.shape, dense.shape) == ((*shape[:-2], 0), shape)
    np.testing.assert_array_equal(bound, np.zeros(shape[:-2]))


@pytest.mark.parametrize(
    ("dtype", "factor"), [("float32", 1e30), ("float32", 1e-30), ("float64", 1e150), ("float64", 1e-150)]
)
def test_the_error_is_known_at_any_scale(dtype, factor):
    a = normal(7, 5, dtype=dtype)
    bound, scaled = factored(np, a, 2)[-1], factored(np, a * a.dtype.type(factor), 2)[-1]
    assert abs(scaled / factor - bound) <= ROUNDING(dtype, a.size) * bound


def test_half_precision_gives_single():
    a = np.full((3, 2), 3e4, dtype="float16")  # its singular value overflows half precision
    svd = truncated_svd(a, 1)
    assert svd.dtype == np.float32
    assert np.max(np.abs(svd.to_dense() - 3e4)) <= ROUNDING("float32", 6) * 3e4


@pytest.mark.parametrize(
    ("a", "rank", "error", "match"),
    [
        (np.ones(3), 1, ValueError, r"a needs shape \(\.\.\., p, q\)"),
        (np.ones((2, 2)), 0, ValueError, "rank must be a positive integer, got 0"),
        (np.ones((2, 2), dtype=int), 1, TypeError, "a must have a real floating dtype"),
        (np.asarray([[1.0, np.nan]]), 1, ValueError, r"a must be finite, but holds nan at \(0, 1\)"),
    ],
)
def test_bad_input_is_named(a, rank, error, match):
    with pytest.raises(error, match=match):
        truncated_svd(a, rank)


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (2, 6, 4)])
def test_counting_gives_the_same_shapes_and_the_declared_flops(shape):
    counts = counting()
    svd, real = truncated_svd(counts.empty(shape), 3), truncated_svd(np.ones(shape), 3)
    assert [x.shape for x in svd.chain] == [x.shape for x in real.chain]
    counts.tally.start()
    svd.matvec(counts.empty(shape[-1:]))
    assert counts.tally.flops == svd.flops == real.flops


def test_leading_triplets_are_those_of_the_factorization(xp):
    a = normal(6, 4)
    for got, want in zip(leading_triplets(xp.asarray(a), 2, xp=xp), factored(xp, a, 2)[:3], strict=True):
        np.testing.assert_array_equal(np.asarray(got), want)


@pytest.mark.parametrize("shape", SHAPES)
def test_it_agrees_with_scipy(shape):
    scipy_linalg = pytest.importorskip("scipy.linalg", reason="SciPy is not installed")
    a = normal(*shape)
    u, s, vt = scipy_linalg.svd(a, full_matrices=False, lapack_driver="gesvd")
    _, values, _, dense, _ = factored(np, a, 2)
    agree(values, s[:2].tolist(), a.size)
    agree(dense, ((u[:, :2] * s[:2]) @ vt[:2]).tolist(), a.size)
