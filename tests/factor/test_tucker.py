"""A core with a matrix for each mode: HOSVD, its sequential kin, and the iteration that improves it."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from libraries import LIBRARIES
from oracles import agree, draw, seeds
from oracles.factor import tucker as oracle
from oracles.factor.modes import flat
from tensors import DTYPES, SHAPES, counted, distance, multiplies_as_its_matrix, near, planted, tensor

from factorattn.factor import truncated_svd, tucker
from factorattn.testing import BOUND, ROUNDING

METHODS = ["hosvd", "sthosvd", "hooi"]
modes = st.lists(st.integers(1, 4), min_size=2, max_size=3)


@pytest.fixture(params=LIBRARIES)
def xp(request):
    return pytest.importorskip(request.param)


def unfolding(a, k):
    return np.reshape(np.moveaxis(a, k, 0), (a.shape[k], -1))


def tail(a, k, rank):
    """What the best rank in mode k leaves."""
    return np.linalg.norm(np.linalg.svd(unfolding(a, k), compute_uv=False)[rank:])


def rounding(dtype, a):
    return ROUNDING(np.zeros(0, dtype).real.dtype, 16 * a.size) * np.linalg.norm(a)


@given(modes=modes, rank=st.integers(1, 4), seed=seeds)
@settings(max_examples=40, deadline=None)
@pytest.mark.parametrize("method", ["hosvd", "sthosvd"])
def test_oracle(method, modes, rank, seed):
    (a,) = draw(seed, tuple(modes))
    want = getattr(oracle, method)(flat(a.tolist()), modes, [rank] * len(modes))
    agree(np.reshape(tucker(a, rank, method=method).to_tensor(), (-1,)), want, 16 * a.size)


@pytest.mark.parametrize("sweeps", [1, 2])
@pytest.mark.parametrize(("shape", "ranks"), [((3, 4, 3), (2, 2, 2)), ((3, 3, 4), (1, 2, 2)), ((4, 3), (2, 2))])
def test_oracle_of_the_iteration(shape, ranks, sweeps):
    for seed in range(3):
        a = tensor(shape, seed=seed)
        got = tucker(a, ranks, method="hooi", iterations=sweeps)
        want = oracle.hooi(flat(a.tolist()), list(shape), ranks, sweeps)
        agree(np.reshape(got.to_tensor(), (-1,)), want, 16 * a.size)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_factors_are_orthonormal_and_the_core_is_the_projection(xp, shape, dtype, method):
    a = tensor(shape, dtype=dtype)
    got = tucker(xp.asarray(a), 3, method=method)
    core = a
    for k, f in enumerate(got.factors):
        u = np.asarray(f)
        assert u.shape == (shape[k], min(3, shape[k], a.size // shape[k])) or method != "hosvd"
        near(u.conj().T @ u, np.eye(u.shape[1]), u.size, dtype=dtype)
        core = np.moveaxis(np.tensordot(u.conj().T, core, axes=(1, k)), 0, k)
    near(got.core, core, 16 * a.size, dtype=dtype)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("shape", SHAPES)
def test_slices_of_the_core_are_orthogonal_and_fall(shape, dtype):
    # De Lathauwer, De Moor and Vandewalle 2000: all-orthogonality and ordering
    a = tensor(shape, dtype=dtype)
    core = tucker(a, None).core
    for k in range(a.ndim):
        slices = unfolding(core, k)
        gram = slices.conj() @ slices.T
        off = gram - np.diag(np.diag(gram))
        assert np.max(np.abs(off), initial=0) <= ROUNDING("float64", 16 * a.size) * np.linalg.norm(a) ** 2
        norms = np.linalg.norm(slices, axis=1)
        assert np.all(np.diff(norms) <= rounding(dtype, a))
        near(norms, np.linalg.svd(unfolding(a, k), compute_uv=False)[: norms.size], 16 * a.size)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rank", [1, 2])
def test_the_error_is_below_all_bounds_and_above_each_of_the_least(shape, rank, dtype, method):
    a = tensor(shape, dtype=dtype)
    got = tucker(a, rank, method=method)
    error, allowed, real = distance(got.to_tensor(), a), rounding(dtype, a), np.zeros(0, dtype).real.dtype
    tails = [tail(a.astype("complex128"), k, rank) for k in range(a.ndim)]
    assert error <= BOUND(float(got.error_bound), real, a.size) + allowed
    assert error <= BOUND(math.hypot(*tails), real, a.size) + allowed
    assert max(tails) <= BOUND(error, real, a.size) + allowed
    if method == "hosvd":
        assert abs(float(got.error_bound) - math.hypot(*tails)) <= allowed
    else:
        assert abs(float(got.error_bound) - error) <= allowed


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("noise", [1e-3, 0.1, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_none_of_these_ranks_is_nearer_by_more_than_the_root_of_the_number_of_modes(method, noise, seed):
    exact = tucker(tensor((4, 5, 6), seed=seed), (2, 3, 2)).to_tensor()
    away = noise * tensor(exact.shape, seed=seed + 100)
    error = distance(tucker(exact + away, (2, 3, 2), method=method).to_tensor(), exact + away)
    assert error <= BOUND(math.sqrt(3) * np.linalg.norm(away), length=exact.size)


@pytest.mark.parametrize("shape", [(4, 5, 6), (3, 2, 4, 3)])
@pytest.mark.parametrize("seed", range(3))
def test_no_sweep_makes_the_error_larger(shape, seed):
    a = tensor(shape, seed=seed)
    errors = [distance(tucker(a, 2).to_tensor(), a)]
    errors += [distance(tucker(a, 2, method="hooi", iterations=k).to_tensor(), a) for k in range(1, 8)]
    for before, after in itertools.pairwise(errors):
        assert after <= before + rounding("float64", a)
    assert errors[-1] < errors[0] - rounding("float64", a)
    assert errors[-1] == distance(tucker(a, 2, method="hooi", iterations=7).to_tensor(), a)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_tensor_of_these_ranks_is_returned_whole(method, shape):
    a, _ = planted(shape, 2)
    near(tucker(a, 2, method=method).to_tensor(), a, 16 * a.size)
    near(tucker(a, None, method=method).to_tensor(), a, 16 * a.size)
    near(tucker(a, 100, method=method).to_tensor(), a, 16 * a.size)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [(7, 5), (5, 7), (1, 4)])
def test_of_a_matrix_it_is_the_truncated_svd(xp, method, shape):
    a = tensor(shape)
    for rank in (1, 2, 9):
        got = tucker(xp.asarray(a), rank, method=method)
        near(got.to_dense(), truncated_svd(a, rank).to_dense(), 16 * a.size)


@pytest.mark.parametrize("method", ["hosvd", "sthosvd"])
@pytest.mark.parametrize("tolerance", [0.0, 1e-3, 0.1, 0.3, 0.7])
def test_the_tolerance_is_met_with_no_rank_more_than_it_takes(method, tolerance):
    a = tensor((4, 5, 6)) * np.linspace(1, 0.01, 6)
    got = tucker(a, None, method=method, tolerance=tolerance)
    size = np.linalg.norm(a)
    assert distance(got.to_tensor(), a) <= tolerance * size + rounding("float64", a)
    first = got.ranks[0]
    assert first == 1 or tail(a, 0, first - 1) > tolerance * size / math.sqrt(3)
    assert tucker(a, (1, 2, 2), method=method, tolerance=tolerance).ranks <= (1, 2, 2)


def test_ranks_that_are_known_are_found():
    a, _ = planted((4, 5, 6), 2)
    assert tucker(a, None, tolerance=ROUNDING("float64", a.size)).ranks == (2, 2, 2)
    low = np.tensordot(tensor((4, 1)), tensor((5, 6), seed=1)[None], axes=1)  # a vector times a matrix
    assert tucker(low, None, tolerance=ROUNDING("float64", low.size)).ranks == (1, 5, 5)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize(("shape", "rows"), [(s, r) for s in SHAPES for r in range(1, len(s))])
def test_it_multiplies_as_its_matrix(xp, shape, rows, dtype):
    a = tensor(shape, dtype=dtype)
    got = tucker(xp.asarray(a), tuple(range(1, len(shape) + 1)), rows=rows)
    assert got.shape == (math.prod(shape[:rows]), math.prod(shape[rows:]))
    assert got.modes == shape
    near(np.reshape(np.asarray(got.mT.to_tensor()), got.shape[::-1]), np.asarray(got.to_dense()).T, a.size)
    multiplies_as_its_matrix(got, xp)


@pytest.mark.parametrize(("shape", "rows"), [(s, r) for s in SHAPES for r in range(1, len(s))])
def test_operations_are_those_that_are_counted(shape, rows):
    got = tucker(tensor(shape), tuple(range(1, len(shape) + 1)), rows=rows)
    for f in (got, got.mT):
        assert counted(f)[0] == f.flops


def test_a_product_never_makes_the_tensor():
    got = tucker(planted((8,) * 6, 2)[0], 2, rows=3)
    assert got.shape == (512, 512)
    assert counted(got)[1] < got.nbytes + 8 * 3 * 512
    assert got.parameters == 2**6 + 6 * 16


@pytest.mark.parametrize("method", METHODS)
def test_the_scale_of_a_tensor_is_no_matter(method):
    a = tensor((3, 4, 5))
    want = tucker(a, 2, method=method)
    for dtype, factor in (("float64", 1e150), ("float64", 1e-150), ("float32", 1e30), ("float32", 1e-30)):
        got = tucker((a * factor).astype(dtype), 2, method=method)
        near(np.asarray(got.to_tensor(), dtype="float64") / factor, want.to_tensor(), 16 * a.size, dtype=dtype)
        near(float(got.error_bound) / factor, want.error_bound, a.size, dtype=dtype)


@pytest.mark.parametrize("method", METHODS)
def test_zeros_give_zeros(xp, method):
    got = tucker(xp.zeros((3, 4, 5)), 2, method=method)
    assert not np.any(np.asarray(got.to_tensor()))
    assert float(got.error_bound) == 0


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [(0, 3, 4), (3, 0, 4), (3, 4, 0), (0, 0)])
def test_of_nothing_there_is_nothing(method, shape):
    got = tucker(np.zeros(shape), 2, method=method)
    assert got.to_tensor().shape == shape
    assert float(got.error_bound) == 0


def test_half_precision_gives_single_precision():
    assert tucker(np.ones((3, 4), dtype="float16"), 2).dtype == np.float32


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rank": 0}, "rank must be a positive integer or a tuple of 3, got 0"),
        ({"rank": (1, 2)}, r"a tuple of 3, got \(1, 2\)"),
        ({"rank": 1, "method": "svd"}, "method must be 'hosvd' or 'sthosvd' or 'hooi', got 'svd'"),
        ({"rank": 1, "iterations": 3}, "iterations are for method='hooi', got method='hosvd'"),
        ({"rank": 1, "method": "hooi", "iterations": 0}, "iterations must be a positive integer, got 0"),
        ({"rank": 1, "tolerance": -1.0}, "tolerance must not be negative, got -1.0"),
        ({"rank": 1, "rows": 3}, "rows must be in 1 .. 2"),
    ],
)
def test_bad_values_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        tucker(np.ones((2, 3, 4)), **options)


def test_bad_tensors_are_named():
    with pytest.raises(ValueError, match="two or more axes"):
        tucker(np.ones(3), 1)
    with pytest.raises(ValueError, match="a must be finite"):
        tucker(np.full((2, 2), np.inf), 1)
    with pytest.raises(TypeError, match="iterations must be an integer"):
        tucker(np.ones((2, 2)), 1, method="hooi", iterations=1.5)


@pytest.mark.peers
@pytest.mark.parametrize("shape", [(4, 5, 6), (3, 2, 4, 3)])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_tensorly_agrees(shape, rank):
    decomposition = pytest.importorskip("tensorly.decomposition", reason="tensorly is not installed (extra: peers)")
    a = tensor(shape)
    ranks = [min(rank, n) for n in shape]
    theirs = decomposition.tucker(a, rank=ranks, n_iter_max=200, tol=0, init="svd").to_tensor()
    ours = tucker(a, rank, method="hooi", iterations=200)
    near(ours.error_bound, distance(theirs, a), 16 * a.size)
