"""QR that reveals the rank: pivots by definition, and the bounds of Gu and Eisenstat."""

import itertools

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st
from libraries import LIBRARIES
from matrices import best_error, hilbert, kahan, normal, spectrum
from oracles import draw, lists, seeds, sizes
from oracles.factor import rrqr as oracle

from factorattn import NeedsValues
from factorattn.factor.selection import rrqr
from factorattn.interpret.counting import counting
from factorattn.testing import BOUND, ROUNDING
from factorattn.testing.case import to_numpy
from factorattn.testing.cost_laws import declared_growth_is_counted

FACTORS = [1.1, 2.0, 10.0]


@pytest.fixture(params=LIBRARIES)
def xp(request):
    return pytest.importorskip(request.param)


@settings(deadline=None)
@given(p=sizes, q=sizes, seed=seeds, data=st.data())
def test_it_takes_the_largest_remaining_column(p, q, seed, data):
    (a,) = draw(seed, (p, q))
    rank = data.draw(st.integers(1, min(p, q)))
    got = rrqr(a, rank)
    basis, coefficients, pivots, left = oracle.rrqr(*lists(a), rank)
    allowed = ROUNDING("float64", a.size) * np.linalg.cond(a) * np.linalg.norm(a)
    assert got.order[:rank].tolist() == pivots
    want = np.array(basis).T @ np.array(coefficients)
    assert np.max(np.abs(got.to_dense() - want)) <= allowed
    assert abs(got.error_bound - np.linalg.norm(left)) <= allowed


@pytest.mark.parametrize("strong", [None, 2.0])
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("shape", [(9, 6), (6, 9), (2, 3, 5, 6)])
def test_the_error_is_what_it_says_and_the_triangle_is_one(xp, shape, dtype, strong):
    a = normal(np.random.default_rng(0), shape, dtype)
    for rank in (1, 3, 100):
        got = rrqr(xp.asarray(a), rank, strong=strong)
        k = min(rank, *shape[-2:])
        q, triangle, order, dense = (to_numpy(x) for x in (got.q, got.triangle, got.order, got.to_dense()))
        allowed = ROUNDING(dtype, a.size) * np.max(np.abs(a))
        assert q.shape == (*shape[:-1], k)
        assert np.max(np.abs(q.mT.conj() @ q - np.eye(k))) <= ROUNDING(dtype, a.size)
        assert np.max(np.abs(np.tril(triangle, -1)), initial=0.0) == 0
        assert np.all(np.abs(np.linalg.norm(a - dense, axis=(-2, -1)) - to_numpy(got.error_bound)) <= allowed)
        kept = np.take_along_axis(a, order[..., None, :k], axis=-1)
        assert np.max(np.abs(kept - q @ triangle[..., :k])) <= allowed


def blocks(got, a, rank):
    """R_11, R_12 and the singular values of R_22 of a result."""
    k = got.q.shape[-1]
    rest = a[:, got.order] - got.q @ got.triangle
    return got.triangle[:, :k], got.triangle[:, k:], np.linalg.svd(rest, compute_uv=False)


HARD = {
    "normal": normal(np.random.default_rng(1), (12, 9)),
    "wide": normal(np.random.default_rng(2), (7, 12)),
    "complex": normal(np.random.default_rng(3), (9, 9), "complex128"),
    "kahan": kahan(40),
    "falling": spectrum(20, 15, 10.0 ** -np.arange(15)),
    "a step": spectrum(20, 15, [1.0] * 7 + [1e-9] * 8),
    "hilbert": hilbert(10, 8),
}


@pytest.mark.parametrize("f", FACTORS)
@pytest.mark.parametrize("name", HARD)
def test_swaps_give_the_bounds_of_gu_and_eisenstat(name, f):
    a = HARD[name]
    s = np.linalg.svd(a, compute_uv=False)
    n = a.shape[1]
    for k in range(1, min(a.shape)):
        got = rrqr(a, k, strong=f)
        r_11, _, beyond = blocks(got, a, k)
        inner, growth = np.linalg.svd(r_11, compute_uv=False), np.sqrt(1 + f * f * k * (n - k))
        rounding = ROUNDING("float64", a.size) * s[0]
        assert np.all(s[:k] / growth <= inner + rounding)
        assert np.all(beyond[: len(s) - k] <= s[k:] * growth + rounding)
        assert np.all(inner <= s[:k] + rounding)  # interlacing, for any order of columns
        assert best_error(a, k) <= BOUND(got.error_bound, length=a.size) + rounding


@pytest.mark.parametrize("f", FACTORS)
@pytest.mark.parametrize("name", HARD)
def test_no_coefficient_is_above_the_factor(name, f):
    a = HARD[name]
    for k in range(1, min(a.shape)):
        if np.linalg.svd(a, compute_uv=False)[k - 1] <= 1e-7:  # beyond, rounding decides on the coefficients
            break
        r_11, r_12, _ = blocks(rrqr(a, k, strong=f), a, k)
        assert np.max(np.abs(np.linalg.solve(r_11, r_12))) <= f + ROUNDING("float64", a.size) * np.linalg.cond(r_11)


def volume(a):
    return np.sqrt(np.linalg.det(a.mT.conj() @ a).real)


@pytest.mark.parametrize("f", [1.01, 2.0])
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_no_swap_makes_the_volume_of_the_columns_grow_by_more_than_the_factor(dtype, f):
    """What rho_ij stands for: the volume of the columns with j in place of i, over theirs."""
    rounds = 0
    for seed in range(30):
        a = normal(np.random.default_rng(seed), (6, 8), dtype)
        for k in (2, 4):
            got = rrqr(a, k, strong=f)
            rounds += got.order[:k].tolist() != rrqr(a, k).order[:k].tolist()
            for i, j in itertools.product(range(k), range(k, 8)):
                other = got.order.copy()
                other[i] = got.order[j]
                assert volume(a[:, other[:k]]) <= BOUND(f * volume(a[:, got.order[:k]]), length=a.size)
    assert rounds > 0 or f == 2.0  # pivots alone do not do it for a factor near 1


def test_pivots_alone_do_not_reveal_the_rank_of_kahans_matrix():
    """The last diagonal entry is far above the last singular value, and swaps mend it."""
    a, k = kahan(60), 59
    s = np.linalg.svd(a, compute_uv=False)
    plain, strong = rrqr(a, k), rrqr(a, k, strong=2.0)
    growth = np.sqrt(1 + 4 * k)
    assert plain.error_bound > growth * s[-1]
    assert strong.error_bound <= BOUND(growth * s[-1], length=a.size)
    assert np.linalg.svd(plain.triangle[:, :k], compute_uv=False)[-1] < s[k - 1] / growth
    assert np.linalg.svd(strong.triangle[:, :k], compute_uv=False)[-1] >= s[k - 1] / growth


def test_a_worked_example():
    """Of (1, 0), (0, 2) and (0, 1) the second is longest; the first remains, the third is half of the second."""
    got = rrqr(np.asarray([[1.0, 0.0, 0.0], [0.0, 2.0, 1.0]]), 1)
    assert got.order[0] == 1
    assert np.allclose(got.to_dense(), [[0, 0, 0], [0, 2, 1]], rtol=0, atol=ROUNDING("float64", 6))
    assert abs(got.error_bound - 1) <= ROUNDING("float64", 6)


@pytest.mark.parametrize("strong", [None, 1.5])
def test_the_error_never_grows_with_the_rank_without_swaps_and_vanishes_at_full_rank(strong):
    a = normal(np.random.default_rng(4), (9, 7))
    errors = [float(rrqr(a, rank, strong=strong).error_bound) for rank in range(1, 8)]
    assert errors[-1] <= ROUNDING("float64", a.size) * np.linalg.norm(a)
    if strong is None:
        assert all(after <= before for before, after in itertools.pairwise(errors))


@pytest.mark.parametrize("strong", [None, 2.0])
@pytest.mark.parametrize("rank", [1, 2, 5])
def test_a_matrix_of_low_rank_is_returned_whole(xp, rank, strong):
    a = normal(np.random.default_rng(5), (9, rank)) @ normal(np.random.default_rng(6), (rank, 8))
    for asked in (rank, rank + 1, 8):
        got = to_numpy(rrqr(xp.asarray(a), asked, strong=strong).to_dense())
        assert np.max(np.abs(got - a)) <= ROUNDING("float64", a.size) * np.max(np.abs(a))


@pytest.mark.parametrize("strong", [None, 2.0])
@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 4, 3)])
def test_empty_matrices_have_empty_factors(xp, shape, strong):
    got = rrqr(xp.zeros(shape), 2, strong=strong)
    assert tuple(got.to_dense().shape) == shape


def test_scipy_takes_the_same_columns():
    a = normal(np.random.default_rng(7), (40, 30))
    _, r, order = scipy.linalg.qr(a, mode="economic", pivoting=True)
    got = rrqr(a, 12)
    assert got.order[:12].tolist() == order[:12].tolist()
    assert np.max(np.abs(np.abs(got.triangle[:, :12]) - np.abs(r[:12, :12]))) <= ROUNDING("float64", a.size) * abs(
        r[0, 0]
    )


@pytest.mark.parametrize("shape", [(6, 4), (2, 4, 6)])
def test_a_product_costs_what_is_declared(shape):
    xp = counting()
    got = rrqr(xp.empty(shape), 2)
    before = xp.tally.flops
    got.matvec(xp.empty((*shape[:-2], shape[-1])))
    assert xp.tally.flops - before == got.flops
    with pytest.raises(NeedsValues):
        rrqr(xp.empty(shape), 2, strong=2.0)


def test_the_declared_cost_grows_as_the_counted_one():
    declared_growth_is_counted(rrqr, {"p": 4000, "q": 2000, "r": 20})


def test_bad_input_is_refused_by_name():
    a = np.ones((3, 2))
    with pytest.raises(ValueError, match=r"strong must be above 1, got 1; 2 is a usual choice"):
        rrqr(a, 1, strong=1)
    with pytest.raises(TypeError, match="strong must be a real number, got str"):
        rrqr(a, 1, strong="yes")
    with pytest.raises(ValueError, match="rank must be a positive integer, got 0"):
        rrqr(a, 0)
    with pytest.raises(ValueError, match="a must be finite, but holds inf"):
        rrqr(a * np.inf, 1)
