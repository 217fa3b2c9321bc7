"""The singular value decomposition of the rank that an error asks for: met, measured, with few triplets."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from libraries import LIBRARIES
from matrices import spectrum
from oracles import draw, lists, seeds
from oracles.factor import adaptive_svd as oracle

from factorattn.factor.lowrank import adaptive_svd, rank_for_error
from factorattn.interpret.counting import NeedsValues, counting
from factorattn.testing import BOUND, ROUNDING


@pytest.fixture(params=LIBRARIES)
def xp(request):
    return pytest.importorskip(request.param)


def distance(a, svd):
    u, s, vt = (np.asarray(x).astype("float64") for x in (svd.u, svd.s, svd.vt))
    return np.linalg.norm(a.astype("float64") - (u * s) @ vt)


@settings(deadline=None)  # kernels are imported in the first call
@given(
    p=st.integers(3, 6),
    q=st.integers(3, 6),
    block=st.integers(1, 2),
    power=st.integers(0, 1),
    tolerance=st.sampled_from([0.0, 0.1, 0.3, 0.6]),
    seed=seeds,
)
def test_it_is_the_algorithm_of_the_paper(p, q, block, power, tolerance, seed):
    (a,) = draw(seed, (p, q))
    side, rank, rng = min(p, q), min(p, q) - 1, np.random.default_rng(seed)
    tests = [rng.standard_normal((min(block, side - k), q)).T for k in range(0, side, block)]
    svd = adaptive_svd(a, rank, tolerance=tolerance, block=block, power=power, rng=seed)
    dense, values, kept = oracle.adaptive_svd(a.tolist(), lists(*tests), rank, tolerance, power)
    every = np.linalg.svd(a, compute_uv=False)
    spread = max(np.linalg.cond(test) for test in tests) * np.linalg.cond(np.hstack(tests)) * np.linalg.cond(a)
    allowed = ROUNDING("float64", p * q) * spread ** (2 * power + 1) * every[0]
    assert svd.s.shape == (kept,)
    assert np.max(np.abs(svd.s - values[:kept])) <= allowed
    gap = values[kept - 1] - (values[kept] if kept < len(values) else 0.0)  # the smaller, the less the space is known
    assert np.max(np.abs(svd.to_dense() - dense)) * gap <= allowed * every[0]


def test_an_adaptive_rank_cannot_be_counted():
    with pytest.raises(NeedsValues):
        adaptive_svd(counting().empty((30, 20)), 3, rng=0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("decay", ["fast", "slow", "step"])
def test_the_adaptive_rank_keeps_the_tolerance_with_few_triplets(xp, decay, dtype):
    j = np.arange(1, 61)
    values = {"fast": 0.7**j, "slow": 1.0 / j, "step": np.where(j <= 17, 1.0, 1e-4)}[decay]
    a = spectrum(90, 60, values).astype(dtype)
    norm = np.linalg.norm(values)
    for tolerance in (0.5, 0.1, 1e-2, 1e-4):
        svd = adaptive_svd(xp.asarray(a), 60, tolerance=tolerance, power=2, rng=0)
        least = rank_for_error(np.asarray(values), tolerance)
        bound, rank = float(svd.error_bound), svd.s.shape[0]
        assert distance(a, svd) <= BOUND(bound, dtype, a.size) + ROUNDING(dtype, a.size) * norm
        assert bound <= BOUND(tolerance * norm, dtype, a.size)
        assert least <= rank <= least + 1


@pytest.mark.parametrize("tolerance", [0.5, 0.3])
def test_one_block_beyond_the_tolerance_saves_triplets(tolerance):
    """Without powers, where the space found first is far from the best: no more than a block above the least rank."""
    values = np.arange(1, 61) ** -0.5
    a = spectrum(90, 60, values)
    for seed in range(6):
        svd = adaptive_svd(a, 60, tolerance=tolerance, power=0, block=5, rng=seed)
        assert svd.s.shape[0] <= rank_for_error(values, tolerance) + 5


def test_no_more_is_searched_than_the_matrix_has():
    svd = adaptive_svd(spectrum(40, 30, [5.0, 3.0, 1.0]), 30, block=5, rng=0)
    assert svd.s.shape[0] <= 5


@pytest.mark.parametrize("power", [0, 1])
def test_many_blocks_stay_orthogonal(power):
    """What is left of the matrix is rounding of the blocks before, in the end."""
    svd = adaptive_svd(spectrum(90, 60, 0.3 ** np.arange(60)), 60, tolerance=1e-13, block=3, power=power, rng=0)
    count = svd.s.shape[0]
    assert np.max(np.abs(svd.u.T @ svd.u - np.eye(count))) <= ROUNDING("float64", 90 * 60)


def test_a_tolerance_below_the_root_of_eps_is_kept():
    """Where the indicator |A|^2 - |Q^H A|^2 sees nothing but rounding."""
    a = spectrum(90, 60, 0.5 ** np.arange(1, 61))
    norm = np.linalg.norm(a)
    for tolerance in (1e-9, 1e-12):
        svd = adaptive_svd(a, 60, tolerance=tolerance, rng=0)
        assert distance(a, svd) <= tolerance * norm
        assert float(svd.error_bound) <= tolerance * norm
        assert svd.s.shape[0] < 60


def test_a_tolerance_that_the_rank_forbids_is_told_by_the_bound():
    a = spectrum(40, 30, 1 / np.arange(1, 31))
    svd = adaptive_svd(a, 3, tolerance=1e-3, rng=0)
    assert svd.s.shape == (3,)
    assert float(svd.error_bound) > 1e-3 * np.linalg.norm(a)
    assert distance(a, svd) <= BOUND(float(svd.error_bound), length=a.size)


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"tolerance": -1.0}, ValueError, "tolerance must be 0 or more, got -1.0"),
        ({"tolerance": "small"}, TypeError, "tolerance must be a real number, got str"),
        ({"block": 0}, ValueError, "block must be 1 or more, got 0"),
        ({"a": np.ones((2, 3, 2))}, ValueError, r"a needs shape \(p, q\), got \(2, 3, 2\)"),
    ],
)
def test_bad_input_of_the_adaptive_one_is_named(options, error, match):
    with pytest.raises(error, match=match):
        adaptive_svd(**({"a": np.ones((3, 2)), "rank": 1} | options))
