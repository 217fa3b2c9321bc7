"""No matrix of rank r is nearer than the truncated singular value decomposition (Eckart and Young 1936)."""

import itertools

import numpy as np
import pytest
from libraries import LIBRARIES

from factorattn.factor import truncated_svd
from factorattn.interpret.counting import counting
from factorattn.testing.tolerance import BOUND, ROUNDING

SHAPES = [(7, 5), (5, 7), (6, 6), (1, 4), (4, 1)]


@pytest.fixture(params=LIBRARIES)
def xp(request):
    return pytest.importorskip(request.param)


def factors(xp, a, rank):
    return tuple(np.asarray(x) for x in truncated_svd(xp.asarray(a), rank, xp=xp))


def product(u, s, vt):
    return u * s[..., None, :] @ vt


def draw(*shape, dtype="float64"):
    return np.random.default_rng(0).standard_normal(shape).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_squared_error_is_that_of_the_singular_values_left_out(xp, shape, dtype):
    a = draw(*shape, dtype=dtype)
    eigenvalues = np.linalg.eigvalsh((a.T @ a if shape[0] > shape[1] else a @ a.T).astype("float64"))[::-1]
    for rank in range(1, min(shape) + 1):
        error = np.sum((a - product(*factors(xp, a, rank))).astype("float64") ** 2)
        allowed = ROUNDING(dtype, a.size) * np.sum(eigenvalues)
        assert abs(error - np.sum(eigenvalues[rank:])) <= allowed


@pytest.mark.parametrize("rank", [1, 2, 3, 4])
def test_no_matrix_of_the_same_rank_is_nearer(xp, rank):
    a, rng = draw(7, 5), np.random.default_rng(1)
    u, s, vt = factors(xp, a, rank)
    best = a - product(u, s, vt)
    for _ in range(200):
        left = rng.standard_normal((7, rank))
        right = np.linalg.lstsq(left, a, rcond=None)[0]  # the best for this column space
        near = (u * s + 0.1 * rng.standard_normal(u.shape)) @ vt
        for other in (left @ right, near, left @ rng.standard_normal((rank, 5))):
            assert np.linalg.norm(best) <= BOUND(np.linalg.norm(a - other), length=a.size)
            assert np.linalg.norm(best, 2) <= BOUND(np.linalg.norm(a - other, 2), length=a.size)


def test_the_error_falls_with_the_rank_and_vanishes_at_full_rank(xp):
    a = draw(7, 5)
    errors = [np.linalg.norm(a - product(*factors(xp, a, rank))) for rank in range(1, 6)]
    assert all(after < before for before, after in itertools.pairwise(errors))
    assert errors[-1] <= ROUNDING("float64", a.size) * np.linalg.norm(a)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_rank_beyond_both_sides_gives_all_triplets(xp, shape):
    small = min(shape)
    for rank in (small, small + 1, 100):
        u, s, vt = factors(xp, draw(*shape), rank)
        assert (u.shape, s.shape, vt.shape) == ((shape[0], small), (small,), (small, shape[1]))


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_a_matrix_of_low_rank_is_returned_whole(xp, rank):
    a = draw(7, rank) @ draw(5, rank).T
    error = np.max(np.abs(product(*factors(xp, a, rank)) - a))
    assert error <= ROUNDING("float64", a.size) * np.max(np.abs(a))


@pytest.mark.parametrize("shape", SHAPES)
def test_vectors_are_orthonormal_and_values_fall(xp, shape):
    u, s, vt = factors(xp, draw(*shape), 3)
    allowed = ROUNDING("float64", max(shape))
    assert np.max(np.abs(u.T @ u - np.eye(s.size))) <= allowed
    assert np.max(np.abs(vt @ vt.T - np.eye(s.size))) <= allowed
    assert np.all(np.diff(s) <= 0)
    assert np.all(s >= 0)


def test_a_batch_is_factored_member_by_member(xp):
    a = draw(2, 3, 6, 4)
    u, s, vt = factors(xp, a, 2)
    assert (u.shape, s.shape, vt.shape) == ((2, 3, 6, 2), (2, 3, 2), (2, 3, 2, 4))
    for at in np.ndindex(2, 3):
        alone = product(*factors(xp, a[at], 2))
        assert np.max(np.abs(product(u[at], s[at], vt[at]) - alone)) <= ROUNDING("float64", 24) * np.max(np.abs(alone))


def test_the_transpose_and_a_multiple_are_approximated_by_the_transpose_and_the_multiple(xp):
    a = draw(7, 5)
    one = product(*factors(xp, a, 2))
    for other in (product(*factors(xp, a.T.copy(), 2)).T, product(*factors(xp, -3.0 * a, 2)) / -3.0):
        assert np.max(np.abs(one - other)) <= ROUNDING("float64", a.size) * np.max(np.abs(a))


@pytest.mark.parametrize("shape", [(6, 4), (2, 6, 4)])
def test_counting_gives_the_same_shapes(shape):
    counts = counting()
    got = truncated_svd(counts.empty(shape), 3, xp=counts)
    want = truncated_svd(np.ones(shape), 3, xp=np)
    assert [x.shape for x in got] == [x.shape for x in want]
