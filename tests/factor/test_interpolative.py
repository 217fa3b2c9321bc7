"""All columns from a few of them: exact copies, small coefficients, and the error of the triangle."""

import numpy as np
import pytest
import scipy.linalg.interpolative
from hypothesis import given, settings
from hypothesis import strategies as st
from libraries import LIBRARIES
from matrices import best_error, hilbert, kahan, normal, spectrum
from oracles import draw, lists, seeds, sizes
from oracles.factor import interpolative as oracle

from factorattn import NeedsValues
from factorattn.factor.selection import interpolative, rrqr
from factorattn.interpret.counting import counting
from factorattn.testing import BOUND, ROUNDING
from factorattn.testing.case import to_numpy
from factorattn.testing.cost_laws import declared_growth_is_counted


@pytest.fixture(params=LIBRARIES)
def xp(request):
    return pytest.importorskip(request.param)


@settings(deadline=None)
@given(p=sizes, q=sizes, seed=seeds, data=st.data())
def test_coefficients_are_those_of_least_squares(p, q, seed, data):
    (a,) = draw(seed, (p, q))
    rank = data.draw(st.integers(1, min(p, q)))
    got = interpolative(a, rank)
    pivots, z = oracle.interpolative(*lists(a), rank)
    assert got.column_index.tolist() == pivots
    allowed = ROUNDING("float64", a.size) * np.linalg.cond(got.c) ** 2  # of the oracle's normal equations
    assert np.max(np.abs(got.z - z)) <= allowed * max(1.0, np.max(np.abs(z)))


@pytest.mark.parametrize("strong", [None, 2.0])
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
@pytest.mark.parametrize("shape", [(9, 6), (6, 9), (2, 3, 5, 6), (1, 4), (4, 1)])
def test_columns_are_copies_and_the_error_is_what_it_says(xp, shape, dtype, strong):
    a = normal(np.random.default_rng(0), shape, dtype)
    for rank in (1, 3, 100):
        got = interpolative(xp.asarray(a), rank, strong=strong)
        c, z, at = (to_numpy(x) for x in (got.c, got.z, got.column_index))
        k = min(rank, *shape[-2:])
        assert at.shape == (*shape[:-2], k)
        assert np.array_equal(c, np.take_along_axis(a, at[..., None, :], axis=-1))
        own = np.take_along_axis(z, at[..., None, :], axis=-1)
        assert np.array_equal(own, np.broadcast_to(np.eye(k), own.shape))
        error = np.linalg.norm(a - to_numpy(got.to_dense()), axis=(-2, -1))
        allowed = ROUNDING(dtype, a.size) * np.max(np.abs(a)) * np.max(np.linalg.cond(c))
        assert np.all(np.abs(error - to_numpy(got.error_bound)) <= allowed)
        assert np.all(best_error(a, k) <= error + allowed)


HARD = {
    "normal": normal(np.random.default_rng(1), (12, 9)),
    "complex": normal(np.random.default_rng(3), (9, 11), "complex128"),
    "kahan": kahan(40),
    "falling": spectrum(20, 15, 10.0 ** -np.arange(15)),
    "rank 3": spectrum(9, 12, [3.0, 2.0, 1.0]),
    "hilbert": hilbert(12, 9),
    "constant": np.ones((5, 6)),
    "zero": np.zeros((4, 3)),
}


@pytest.mark.parametrize("f", [1.1, 2.0])
@pytest.mark.parametrize("name", HARD)
def test_no_coefficient_is_above_the_factor(name, f):
    a = HARD[name]
    for rank in range(1, min(a.shape) + 1):
        got = interpolative(a, rank, strong=f)
        assert np.max(np.abs(got.z)) <= BOUND(f, length=a.size)
        error = np.linalg.norm(a - got.to_dense())
        assert error <= BOUND(got.error_bound, length=a.size) + ROUNDING("float64", a.size) * np.linalg.norm(a)


@pytest.mark.parametrize("name", HARD)
def test_the_error_is_within_the_bound_of_strong_swaps(name):
    """Of |R_22|: each singular value of it is at most g sigma_(k+j), g = sqrt(1 + f^2 k (q - k))."""
    a, f = HARD[name], 2.0
    s, n = np.linalg.svd(a, compute_uv=False), a.shape[1]
    for k in range(1, min(a.shape)):
        bound = np.sqrt(1 + f * f * k * (n - k)) * best_error(a, k)
        got = interpolative(a, k, strong=f)
        assert got.error_bound <= BOUND(bound, length=a.size) + ROUNDING("float64", a.size) * s[0]


def test_pivots_alone_have_large_coefficients_on_kahans_matrix():
    a = kahan(60)
    assert np.max(np.abs(interpolative(a, 59).z)) > 1000 * np.max(np.abs(interpolative(a, 59, strong=2.0).z))


def test_a_worked_example():
    """The second column is longest, the first is half of it."""
    got = interpolative(np.asarray([[1.0, 2.0], [2.0, 4.0]]), 1)
    assert got.column_index.tolist() == [1]
    assert got.c.tolist() == [[2.0], [4.0]]
    assert np.allclose(got.z, [[0.5, 1.0]], rtol=0, atol=ROUNDING("float64", 4))


@pytest.mark.parametrize("strong", [None, 2.0])
@pytest.mark.parametrize("rank", [1, 2, 5])
def test_a_matrix_of_low_rank_is_returned_whole(xp, rank, strong):
    a = normal(np.random.default_rng(5), (9, rank)) @ normal(np.random.default_rng(6), (rank, 8))
    for asked in (rank, rank + 1, 8):
        got = to_numpy(interpolative(xp.asarray(a), asked, strong=strong).to_dense())
        assert np.max(np.abs(got - a)) <= ROUNDING("float64", a.size) * np.max(np.abs(a))


def test_pivots_far_above_rounding_take_part_in_a_wide_matrix_of_single_precision():
    """Sums of 2000 terms are off by the root of 2000 roundings, not by 2000: the error is that of the triangle."""
    a = spectrum(100, 2000, np.geomspace(1, 1e-4, 100)).astype("float32")
    for rank in (60, 100):
        got = interpolative(a, rank)
        error = np.linalg.norm(a - np.asarray(got.to_dense(), "float64"))
        allowed = ROUNDING("float32", 2000) * np.linalg.norm(a)
        assert error <= BOUND(float(rrqr(a, rank).error_bound), "float32", a.size) + allowed
        assert error <= BOUND(float(got.error_bound), "float32", a.size) + allowed


def test_a_column_that_adds_rounding_alone_has_no_weight():
    got = interpolative(np.ones((4, 5)), 3)
    weights = np.delete(got.z, got.column_index, axis=1)
    assert np.array_equal(weights[1:], np.zeros((2, 2)))


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 4, 3)])
def test_empty_matrices_have_empty_factors(xp, shape):
    for strong in (None, 2.0):
        assert tuple(interpolative(xp.zeros(shape), 2, strong=strong).to_dense().shape) == shape


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_scipy_takes_the_same_columns_and_is_no_nearer():
    a = spectrum(40, 30, 0.7 ** np.arange(30))
    for rank in (5, 12):
        at, weights = scipy.linalg.interpolative.interp_decomp(a, rank, rand=False)
        theirs = np.linalg.norm(
            a
            - scipy.linalg.interpolative.reconstruct_matrix_from_id(
                scipy.linalg.interpolative.reconstruct_skel_matrix(a, rank, at), at, weights
            )
        )
        got = interpolative(a, rank)
        assert got.column_index.tolist() == at[:rank].tolist()
        assert np.linalg.norm(a - got.to_dense()) <= BOUND(theirs, length=a.size)


@pytest.mark.parametrize("shape", [(6, 4), (2, 4, 6)])
def test_a_product_costs_what_is_declared(shape):
    xp = counting()
    got = interpolative(xp.empty(shape), 2)
    before = xp.tally.flops
    got.matvec(xp.empty((*shape[:-2], shape[-1])))
    assert xp.tally.flops - before == got.flops
    with pytest.raises(NeedsValues):
        interpolative(xp.empty(shape), 2, strong=2.0)


def test_the_declared_cost_grows_as_the_counted_one():
    declared_growth_is_counted(interpolative, {"p": 4000, "q": 2000, "r": 20})


def test_bad_input_is_refused_by_name():
    with pytest.raises(ValueError, match=r"strong must be above 1, got 0\.5"):
        interpolative(np.ones((3, 2)), 1, strong=0.5)
    with pytest.raises(ValueError, match="rank must be a positive integer, got -1"):
        interpolative(np.ones((3, 2)), -1)
    with pytest.raises(ValueError, match="a must be finite"):
        interpolative(np.asarray([[np.nan, 1.0]]), 1)
