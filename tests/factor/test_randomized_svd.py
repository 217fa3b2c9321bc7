"""The randomized singular value decomposition: its certificate, its sketches, its bases; some of the adaptive one."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from libraries import LIBRARIES
from oracles import agree, draw, lists, seeds
from oracles.factor import randomized_svd as oracle

from factorattn.factor.lowrank import (
    adaptive_svd,
    expected_frobenius_bound,
    randomized_svd,
    truncated_svd,
)
from factorattn.factor.lowrank.range_finder import levelled
from factorattn.factor.lowrank.residual import rest_bound
from factorattn.factor.sketch import SKETCHES
from factorattn.interpret.counting import counting
from factorattn.testing import BOUND, ROUNDING

SHAPES = [(30, 20), (20, 30), (25, 25), (1, 9), (9, 1)]
BOTH = pytest.mark.parametrize("f", [randomized_svd, adaptive_svd])


@pytest.fixture(params=LIBRARIES)
def xp(request):
    return pytest.importorskip(request.param)


def spectrum(shape, values, seed=0, dtype="float64"):
    """A matrix with these singular values and random vectors."""
    rng = np.random.default_rng(seed)
    p, q = shape
    sides = [rng.standard_normal((n, len(values))) for n in (p, q)]
    if np.dtype(dtype).kind == "c":
        sides = [x + 1j * rng.standard_normal(x.shape) for x in sides]
    u, v = (np.linalg.qr(x)[0] for x in sides)
    return ((u * np.asarray(values)) @ v.conj().T).astype(dtype)


def distance(a, svd):
    wide = "complex128" if np.iscomplexobj(a) else "float64"
    u, s, vt = (np.asarray(x).astype(wide) for x in (svd.u, svd.s, svd.vt))
    return np.linalg.norm(a.astype(wide) - (u * s[..., None, :]) @ vt, axis=(-2, -1))


@settings(deadline=None)  # kernels are imported in the first call
@given(p=st.integers(2, 6), q=st.integers(2, 6), power=st.integers(0, 2), seed=seeds)
def test_it_is_the_algorithm_of_the_paper(p, q, power, seed):
    """With all that is searched kept, the result depends on the space alone."""
    width = min(p, q) - 1
    (a,) = draw(seed, (p, q))
    test = np.asarray(SKETCHES["gaussian"](width, q, like=a, rng=seed).to_dense()).T
    svd = randomized_svd(a, width, oversampling=0, power=power, rng=seed)
    dense, values = oracle.randomized_svd(*lists(a, test), width, power)
    spread = np.linalg.cond(a @ test) * np.linalg.cond(a) ** (2 * power)  # of the space that rounding may turn
    scale = np.linalg.norm(a, 2)
    assert np.max(np.abs(svd.to_dense() - dense)) <= ROUNDING("float64", p * q) * spread * scale
    assert np.max(np.abs(np.asarray(svd.s) - values)) <= ROUNDING("float64", p * q) * spread * scale


def test_the_diagonal_worked_by_hand():
    """Of diag(4, 2), along (1, 1): Y = (4, 2), Q = (2, 1)/sqrt(5), Q^T A = (8, 2)/sqrt(5), and 20 - 68/5 is left."""
    a, q = np.diag([4.0, 2.0]), np.asarray([[2.0], [1.0]]) / np.sqrt(5)
    s = np.linalg.svd(q.T @ a, compute_uv=False)
    agree(s, [np.sqrt(68 / 5)], 4)
    agree(rest_bound(a, s, xp=np), np.sqrt(32 / 5), 4)


@BOTH
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("shape", SHAPES)
def test_vectors_are_orthonormal_and_values_below_those_of_the_matrix(xp, f, shape, dtype):
    side = min(shape)
    a = spectrum(shape, np.geomspace(1, 1e-3, side), dtype=dtype)
    svd = f(xp.asarray(a), 5, rng=0)
    u, s, vt = (np.asarray(x) for x in (svd.u, svd.s, svd.vt))
    r = min(5, side)
    assert (u.shape, s.shape, vt.shape) == ((shape[0], r), (r,), (r, shape[1]))
    assert (u.dtype, s.dtype) == (np.dtype(dtype), np.abs(a).dtype)
    allowed = ROUNDING(dtype, a.size)
    assert np.max(np.abs(u.conj().T @ u - np.eye(r))) <= allowed
    assert np.max(np.abs(vt @ vt.conj().T - np.eye(r))) <= allowed
    assert np.all(np.diff(s) <= 0)
    assert np.all(s <= np.linalg.svd(a, compute_uv=False)[:r] + allowed)


@pytest.mark.parametrize("sketch", list(SKETCHES))
@BOTH
def test_a_matrix_of_low_rank_is_returned_whole_by_any_sketch(xp, f, sketch):
    a = spectrum((40, 30), [5.0, 3.0, 1.0])
    for rank in (3, 7):
        svd = f(xp.asarray(a), rank, sketch=sketch, rng=1)
        assert distance(a, svd) <= ROUNDING("float64", a.size) * np.linalg.norm(a)


@pytest.mark.parametrize("sketch", list(SKETCHES))
@pytest.mark.parametrize("decay", ["fast", "slow", "step"])
@BOTH
def test_no_error_is_above_its_bound_nor_below_the_best(f, decay, sketch):
    j = np.arange(1, 41)
    values = {"fast": 0.5**j, "slow": j**-0.5, "step": np.where(j <= 10, 1.0, 1e-3)}[decay]
    for dtype in ("float32", "float64"):
        a = spectrum((60, 40), values, dtype=dtype)
        for rank in (1, 8, 15):
            for seed in range(5):
                svd = f(a, rank, sketch=sketch, rng=seed)
                error, best = distance(a, svd), np.linalg.norm(values[rank:])
                rounding = ROUNDING(dtype, a.size) * np.linalg.norm(values)
                assert error <= BOUND(float(svd.error_bound), dtype, a.size) + rounding
                assert best <= error + rounding


def test_powers_bring_the_error_down_to_the_best():
    a = spectrum((80, 60), np.arange(1, 61) ** -0.5)
    best = float(truncated_svd(a, 5).error_bound)
    excess = [np.mean([distance(a, randomized_svd(a, 5, power=k, oversampling=2, rng=i)) for i in range(20)]) - best
              for k in (0, 1, 2, 4, 8)]  # fmt: skip
    assert all(after < before for before, after in itertools.pairwise(excess))


def test_power_iterations_lose_no_small_singular_value():
    """Products alone would drown all below eps^(1/(2 power + 1)), here 1e-2; QR alone of every product keeps them."""
    values = np.geomspace(1, 1e-12, 13)
    a = spectrum((50, 40), values)
    svd = randomized_svd(a, 13, oversampling=2, power=3, rng=0)
    assert np.max(np.abs(np.asarray(svd.s) - values)) <= ROUNDING("float64", a.size)
    assert distance(a, svd) <= ROUNDING("float64", a.size)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_levelled_rows_span_the_same_space(dtype):
    """Projections onto the rows, of lengths that differ by what the precision allows."""
    spread = np.geomspace(1, 1e-5 if np.finfo(dtype).bits == 32 else 1e-12, 6)
    rows = spectrum((6, 50), spread, dtype=dtype)
    for factor in (1, 1e30 if np.finfo(dtype).bits == 32 else 1e200):
        level = levelled((rows * factor).astype(dtype), xp=np).astype("complex128")
        s = np.linalg.svd(level, compute_uv=False)
        right = np.linalg.svd(rows.astype("complex128"), full_matrices=False)[2]
        outside = level - (level @ right.conj().T) @ right
        assert np.linalg.norm(outside) <= ROUNDING(dtype, rows.size) / spread[-1]
        assert s[0] / s[-1] - 1 <= ROUNDING(dtype, rows.size) / spread[-1]


def test_zero_rows_stay_zero():
    assert not np.any(levelled(np.zeros((3, 5)), xp=np))


@pytest.mark.parametrize("shape", [(40, 6, 30), (2, 3, 30, 40)])
def test_a_batch_is_factored_member_by_member(xp, shape):
    a = np.random.default_rng(0).standard_normal(shape)
    svd = randomized_svd(xp.asarray(a), 3, oversampling=2, rng=5)
    assert tuple(svd.error_bound.shape) == shape[:-2]
    for at in np.ndindex(*shape[:-2]):
        alone = randomized_svd(xp.asarray(a[at]), 3, oversampling=2, rng=5)
        agree(np.asarray(svd.to_dense())[at], np.asarray(alone.to_dense()).tolist(), a[at].size * max(shape))


@BOTH
def test_libraries_and_generators_draw_the_same(xp, f):
    a = np.random.default_rng(0).standard_normal((30, 25))
    want = f(a, 4, rng=3).to_dense().tolist()
    for rng in (3, np.random.default_rng(3)):
        agree(np.asarray(f(xp.asarray(a), 4, rng=rng).to_dense()), want, a.size * max(a.shape))
    assert np.any(f(a, 4, rng=4).to_dense() != np.asarray(want))


@BOTH
@pytest.mark.parametrize(
    ("dtype", "factor"), [("float32", 1e30), ("float32", 1e-30), ("float64", 1e150), ("float64", 1e-150)]
)
def test_any_scale(f, dtype, factor):
    a = spectrum((30, 25), np.geomspace(1, 1e-2, 25), dtype=dtype)
    one, other = f(a, 4, rng=0), f(a * np.dtype(dtype).type(factor), 4, rng=0)
    agree(np.asarray(other.s, dtype="float64").astype(dtype) / np.dtype(dtype).type(factor), one.s.tolist(), a.size)
    agree(np.asarray(other.error_bound / factor, dtype=dtype), float(one.error_bound), a.size)


@BOTH
@pytest.mark.parametrize("shape", [(12, 9), (9, 12), (1, 5), (5, 1), (1, 1)])
@pytest.mark.parametrize("kind", ["zero", "constant", "Hilbert", "one entry"])
def test_hard_matrices(f, shape, kind):
    i, j = np.indices(shape)
    a = {
        "zero": np.zeros(shape),
        "constant": np.ones(shape),
        "Hilbert": 1 / (1.0 + i + j),
        "one entry": np.where((i == 0) & (j == shape[1] - 1), 7.0, 0.0),
    }[kind]
    svd = f(a, 20, rng=0)
    allowed = ROUNDING("float64", a.size) * np.linalg.norm(a)
    assert np.all(np.isfinite(svd.to_dense()))
    assert np.linalg.norm(a - svd.to_dense()) <= allowed
    if kind == "zero":
        assert svd.error_bound == 0


@BOTH
@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
def test_what_is_empty_has_no_triplet(xp, f, shape):
    svd = f(xp.zeros(shape), 2)
    assert tuple(svd.to_dense().shape) == shape
    assert float(svd.error_bound) == 0


def test_half_precision_gives_single():
    svd = randomized_svd(np.full((30, 20), 3e4, dtype="float16"), 1, rng=0)
    assert svd.dtype == np.float32
    assert np.max(np.abs(svd.to_dense() - 3e4)) <= ROUNDING("float32", 600) * 3e4


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"rank": 0}, ValueError, "rank must be a positive integer, got 0"),
        ({"oversampling": -1}, ValueError, "oversampling must be 0 or more, got -1"),
        ({"power": 1.5}, TypeError, "power must be an integer, got 1.5"),
        ({"power": -1}, ValueError, "power must be 0 or more, got -1"),
        ({"sketch": "fourier"}, ValueError, "sketch must be 'gaussian' or "),
        ({"rng": -1}, ValueError, "rng must be a non-negative integer"),
        ({"a": np.ones((2, 2), dtype=int)}, TypeError, "a must have a real floating dtype"),
        ({"a": np.asarray([[np.inf, 1.0]])}, ValueError, r"a must be finite, but holds inf at \(0, 0\)"),
    ],
)
def test_bad_input_is_named(options, error, match):
    with pytest.raises(error, match=match):
        randomized_svd(**({"a": np.ones((3, 2)), "rank": 1} | options))


@pytest.mark.parametrize("sketch", list(SKETCHES))
@pytest.mark.parametrize("shape", [(60, 40), (40, 60), (2, 60, 40)])
def test_counting_gives_the_same_shapes_and_the_declared_flops(shape, sketch):
    counts = counting()
    svd = randomized_svd(counts.empty(shape), 3, sketch=sketch, rng=0)
    real = randomized_svd(np.ones(shape), 3, sketch=sketch, rng=0)
    assert [x.shape for x in (*svd.chain, svd.error_bound)] == [x.shape for x in (*real.chain, real.error_bound)]
    counts.tally.start()
    svd.matvec(counts.empty(shape[-1:]))
    assert counts.tally.flops == svd.flops == real.flops


def test_nearly_all_operations_are_products_with_the_matrix():
    """Two for each power, one to sketch and one to project: what the record declares."""
    counts = counting()
    a = counts.empty((3000, 2000))
    for power in (0, 2):
        counts.tally.start()
        randomized_svd(a, 20, oversampling=10, power=power, rng=0)
        products = 2 * 3000 * 2000 * 30 * (2 * power + 2)
        assert products <= counts.tally.by_kind["contract"]
        assert counts.tally.flops - products <= products / 5


def test_where_everything_is_searched_no_power_is_needed():
    counts, flops = counting(), []
    for power in (0, 3):
        counts.tally.start()
        randomized_svd(counts.empty((30, 12)), 5, power=power, rng=0)
        flops.append(counts.tally.flops)
    assert flops[0] == flops[1]


@pytest.mark.peers
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("decay", ["fast", "slow", "wide"])
@pytest.mark.parametrize("power", [2, 4, 7])
def test_it_is_at_least_as_accurate_as_scikit_learn(decay, power, dtype):
    """At the same parameters, and from the same random matrix."""
    extmath = pytest.importorskip("sklearn.utils.extmath", reason="scikit-learn is not installed")

    class SameDraw(np.random.RandomState):
        def normal(self, size):
            return np.random.default_rng(seed).standard_normal(size[::-1]).T

    j = np.arange(1, 201)
    a = spectrum((300, 200), {"fast": 0.9**j, "slow": j**-0.5, "wide": 0.6**j}[decay], dtype=dtype)
    for seed in range(5):
        u, s, vt = (x.astype("float64") for x in extmath.randomized_svd(a, 20, n_iter=power, random_state=SameDraw(0)))
        theirs = np.linalg.norm(a - (u * s) @ vt)
        ours = distance(a, randomized_svd(a, 20, power=power, rng=seed))
        assert ours <= theirs + ROUNDING(dtype, a.size) * np.linalg.norm(a)


@pytest.mark.peers
def test_it_keeps_what_scikit_learn_loses_without_orthogonalization():
    """Its default up to two iterations: singular values below eps^(1/5) of the first are lost."""
    extmath = pytest.importorskip("sklearn.utils.extmath", reason="scikit-learn is not installed")
    values = np.geomspace(1, 1e-14, 200)
    a = spectrum((300, 200), values)
    u, s, vt = extmath.randomized_svd(a, 100, n_iter=2, random_state=0)
    best = np.linalg.norm(values[100:])
    bound = float(expected_frobenius_bound(values, 100, 10, power=2))
    assert best <= distance(a, randomized_svd(a, 100, rng=0)) <= bound < np.linalg.norm(a - (u * s) @ vt)
