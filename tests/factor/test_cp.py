"""A sum of outer products by alternating least squares."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from libraries import LIBRARIES
from oracles import draw, seeds
from oracles.factor import cp as oracle
from oracles.factor.modes import flat
from tensors import (
    DTYPES,
    SHAPES,
    counted,
    distance,
    multiplies_as_its_matrix,
    near,
    outer_products,
    planted,
    tensor,
)

from factorattn.factor import cp, truncated_svd
from factorattn.testing import BOUND, ROUNDING


@pytest.fixture(params=LIBRARIES)
def xp(request):
    return pytest.importorskip(request.param)


def khatri_rao(factors):
    out = factors[0]
    for f in factors[1:]:
        out = np.reshape(out[:, None, :] * f[None], (-1, f.shape[1]))
    return out


def drawn(shape, rank, seed):
    """What ``init="random"`` draws, before its columns are normalised."""
    rng = np.random.default_rng(seed)
    return [rng.standard_normal((n, rank)) for n in shape]


@given(modes=st.lists(st.integers(2, 4), min_size=3, max_size=3), rank=st.integers(1, 2), seed=seeds)
@settings(max_examples=30, deadline=None)
@pytest.mark.parametrize("sweeps", [1, 2])
def test_oracle(sweeps, modes, rank, seed):
    (a,) = draw(seed, tuple(modes))
    got = cp(a, rank, init="random", rng=seed, iterations=sweeps)
    want = oracle.cp(flat(a.tolist()), modes, [f.tolist() for f in drawn(modes, rank, seed)], sweeps)
    # Many digits on one side: on the other, rounding is multiplied by how near columns are to parallel, at each step
    start = [f / np.linalg.norm(f, axis=0) for f in drawn(modes, rank, seed)]
    steps = [start, *(cp(a, rank, init="random", rng=seed, iterations=k).factors for k in range(1, sweeps + 1))]
    worst = math.prod(
        np.linalg.cond(khatri_rao([f for j, f in enumerate(factors) if j != k])) for factors in steps for k in range(3)
    )
    allowed = ROUNDING("float64", a.size) * worst * np.max(np.abs(a))
    assert np.max(np.abs(np.reshape(got.to_tensor(), (-1,)) - want)) <= allowed


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("init", ["svd", "random"])
@pytest.mark.parametrize("rank", [1, 3, 7])
def test_columns_are_of_length_one_weights_fall_and_the_bound_is_the_error(xp, shape, rank, init, dtype):
    a = tensor(shape, dtype=dtype)
    got = cp(xp.asarray(a), rank, iterations=4, init=init, **({"rng": 1} if init == "random" else {}))
    weights, real = np.asarray(got.weights), np.zeros(0, dtype).real.dtype
    assert weights.dtype == real
    assert np.all(np.diff(weights) <= 0)
    assert np.all(weights >= 0)
    for f, n in zip(got.factors, shape, strict=True):
        lengths = np.linalg.norm(np.asarray(f), axis=0)
        assert f.shape == (n, rank)
        assert np.all((np.abs(lengths - 1) <= ROUNDING(real, n)) | (lengths == 0))
    near(
        got.to_tensor(),
        outer_products([np.asarray(f) for f in got.factors[:-1]] + [np.asarray(got.factors[-1]) * weights]),
        64,
    )
    error = distance(got.to_tensor(), a)
    assert abs(float(got.error_bound) - error) <= ROUNDING(real, a.size) * np.linalg.norm(a)


HARD = {
    "normal": tensor((4, 5, 6)),
    "of order four": tensor((3, 2, 4, 3)),
    "of rank 3": planted((4, 5, 6), 3)[0],
    "with parallel factors": outer_products([f @ np.asarray([[1, 1], [0, 1e-6]]) for f in planted((4, 5, 6), 2)[1]]),
    "without a nearest one": None,  # below
    "Hilbert": 1 / (1 + np.add.outer(np.add.outer(np.arange(4), np.arange(5)), np.arange(6))),
    "constant": np.ones((3, 4, 5)),
}
e1, e2 = np.eye(2)
# De Silva and Lim 2008: of rank 3, and as near as you like to tensors of rank 2
BORDER = sum(np.einsum("i,j,k->ijk", *three) for three in ((e1, e1, e2), (e1, e2, e1), (e2, e1, e1)))
HARD["without a nearest one"] = BORDER


@pytest.mark.parametrize("init", ["svd", "random"])
@pytest.mark.parametrize("rank", [1, 2, 4, 9])
@pytest.mark.parametrize("name", HARD)
def test_no_sweep_makes_the_error_larger(name, rank, init):
    a, options = HARD[name], {"rng": 3} if init == "random" else {}
    errors = [distance(cp(a, rank, iterations=k, init=init, **options).to_tensor(), a) for k in range(1, 25)]
    allowed = ROUNDING("float64", a.size) * np.linalg.norm(a)
    for before, after in itertools.pairwise(errors):
        assert after <= before + allowed
    assert errors[0] <= BOUND(np.linalg.norm(a), length=a.size)


def matched(found, planted_factors):
    """The least congruence of planted columns with those found, each taken once: 1 where they are the same lines."""
    columns = [f / np.linalg.norm(f, axis=0) for f in planted_factors]
    congruence = math.prod(np.abs(f.conj().T @ np.asarray(g)) for f, g in zip(columns, found.factors, strict=True))
    best = np.argmax(congruence, axis=1)
    assert sorted(best) == list(range(len(best)))
    return np.min(np.max(congruence, axis=1))


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize(("shape", "rank"), [((5, 6, 7), 2), ((5, 6, 7), 3), ((4, 5, 4, 5), 3), ((4, 4, 4), 1)])
@pytest.mark.parametrize("seed", range(3))
def test_factors_that_were_planted_are_found(shape, rank, dtype, seed):
    # Kruskal 1977: as each set of columns is independent, 3 r >= 2 r + 2 makes them unique but for order and sign
    a, factors = planted(shape, rank, seed=seed, dtype=dtype)
    got = cp(a, rank, iterations=400)
    near(got.to_tensor(), a, 16 * a.size)
    assert 1 - matched(got, factors) <= ROUNDING("float64", a.size)
    weights = math.prod(np.linalg.norm(f, axis=0) for f in factors)
    near(got.weights, np.sort(weights)[::-1], 64 * a.size)


def test_orthogonal_columns_are_found_at_once():
    rng = np.random.default_rng(0)
    factors = [np.linalg.qr(rng.standard_normal((n, 3)))[0] for n in (4, 5, 6)]
    a = outer_products([factors[0] * np.asarray([1.0, 5.0, 2.0]), *factors[1:]])
    got = cp(a, 3, iterations=1)
    near(got.to_tensor(), a, 16 * a.size)
    near(got.weights, np.asarray([5.0, 2.0, 1.0]), a.size)


def test_a_tensor_without_a_nearest_one_makes_weights_grow():
    few, more, many = (cp(BORDER, 2, iterations=k, init="random", rng=0) for k in (20, 100, 400))
    assert float(many.error_bound) < float(more.error_bound) < float(few.error_bound)
    assert float(many.weights[0]) > float(more.weights[0]) > float(few.weights[0]) > np.linalg.norm(BORDER)
    for f in many.factors:
        assert abs(f[:, 0] @ f[:, 1]) > 0.9  # nearly parallel
    assert distance(cp(BORDER, 3, iterations=400, init="random", rng=0).to_tensor(), BORDER) < float(many.error_bound)


@pytest.mark.parametrize("shape", [(3, 4, 5), (2, 2, 2), (4, 3), (1, 5, 2)])
def test_as_many_terms_as_the_core_has_entries_give_the_tensor(shape):
    a = tensor(shape)
    for rank in (a.size, a.size + 3):
        near(cp(a, rank, iterations=1).to_tensor(), a, 16 * a.size)


@pytest.mark.parametrize("shape", [(7, 5), (5, 7), (1, 4), (4, 1)])
def test_of_a_matrix_it_is_the_truncated_svd(xp, shape):
    a = tensor(shape)
    for rank in (1, 2, 9):
        near(cp(xp.asarray(a), rank, iterations=3).to_dense(), truncated_svd(a, rank).to_dense(), 64 * a.size)


def test_one_outer_product_is_a_singular_triplet_of_every_pair_of_the_others():
    # the stationary points for rank 1: each factor is the tensor contracted with the others
    a = tensor((4, 5, 6))
    got = cp(a, 1, iterations=500)
    x, y, z = (f[:, 0] for f in got.factors)
    near(np.einsum("ijk,j,k->i", a, y, z), float(got.weights[0]) * x, 16 * a.size)
    near(np.einsum("ijk,i,k->j", a, x, z), float(got.weights[0]) * y, 16 * a.size)
    near(np.einsum("ijk,i,j->k", a, x, y), float(got.weights[0]) * z, 16 * a.size)


# Stopping


def test_it_stops_when_a_sweep_brings_little():
    a = planted((5, 6, 7), 2)[0] + 0.1 * tensor((5, 6, 7), seed=1)
    got = cp(a, 2, iterations=1000, tolerance=1e-6)
    assert 1 < got.sweeps < 1000
    assert got.mT.sweeps == got.sweeps
    one_less, two_less = (float(cp(a, 2, iterations=got.sweeps - k).error_bound) for k in (1, 2))
    size = np.linalg.norm(a)
    assert one_less - float(got.error_bound) <= BOUND(1e-6 * size)
    assert two_less - one_less > 1e-6 * size
    assert cp(a, 2, iterations=7).sweeps == 7
    assert cp(a, 2, iterations=3, tolerance=1e-12).sweeps == 3


def test_zeros_are_done_at_once():
    assert cp(np.zeros((3, 4, 5)), 2, tolerance=0.1).sweeps == 1


# Chance


def test_all_libraries_draw_the_same(xp):
    a = tensor((4, 5, 6))
    got, want = cp(xp.asarray(a), 2, init="random", rng=5), cp(a, 2, init="random", rng=5)
    near(got.to_tensor(), want.to_tensor(), 64 * a.size)
    other = cp(xp.asarray(a), 2, init="random", rng=6, iterations=1)
    assert distance(other.to_tensor(), cp(a, 2, init="random", rng=5, iterations=1).to_tensor()) > 0.01


def test_the_generator_moves_on():
    rng = np.random.default_rng(0)
    a = tensor((4, 5, 6))
    one, two = (cp(a, 2, init="random", rng=rng, iterations=1).to_tensor() for _ in range(2))
    assert distance(one, two) > 0.01


# The result


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize(("shape", "rows"), [(s, r) for s in SHAPES for r in range(1, len(s))])
def test_it_multiplies_as_its_matrix(xp, shape, rows, dtype):
    a = tensor(shape, dtype=dtype)
    got = cp(xp.asarray(a), 3, rows=rows, iterations=2)
    assert got.shape == (math.prod(shape[:rows]), math.prod(shape[rows:]))
    assert got.modes == shape
    near(np.reshape(np.asarray(got.mT.to_tensor()), got.shape[::-1]), np.asarray(got.to_dense()).T, a.size)
    multiplies_as_its_matrix(got, xp)


@pytest.mark.parametrize(("shape", "rows"), [(s, r) for s in SHAPES for r in range(1, len(s))])
def test_operations_are_those_that_are_counted(shape, rows):
    got = cp(tensor(shape), 3, rows=rows, iterations=1)
    for f in (got, got.mT):
        assert counted(f)[0] == f.flops


def test_a_product_never_makes_the_tensor():
    got = cp(planted((8,) * 6, 2)[0], 2, rows=3, iterations=1)
    assert got.shape == (512, 512)
    assert counted(got)[1] < got.nbytes + 8 * 3 * 512
    assert got.parameters == 2 + 6 * 16


def test_the_scale_of_a_tensor_is_no_matter():
    a = tensor((3, 4, 5))
    want = cp(a, 2, iterations=10)
    for dtype, factor in (("float64", 1e150), ("float64", 1e-150), ("float32", 1e30), ("float32", 1e-30)):
        got = cp((a * factor).astype(dtype), 2, iterations=10)
        near(np.asarray(got.to_tensor(), dtype="float64") / factor, want.to_tensor(), 64 * a.size, dtype=dtype)
        near(float(got.error_bound) / factor, want.error_bound, 64 * a.size, dtype=dtype)


@pytest.mark.parametrize("init", ["svd", "random"])
@pytest.mark.parametrize("rank", [1, 7])
def test_zeros_give_zeros(xp, rank, init):
    got = cp(xp.zeros((3, 4, 5)), rank, init=init)
    assert not np.any(np.asarray(got.to_tensor()))
    assert not np.any(np.asarray(got.weights))
    assert float(got.error_bound) == 0


@pytest.mark.parametrize("shape", [(0, 3, 4), (3, 0, 4), (3, 4, 0), (0, 0)])
def test_of_nothing_there_is_nothing(xp, shape):
    got = cp(xp.zeros(shape), 2)
    assert got.to_tensor().shape == shape
    assert float(got.error_bound) == 0


def test_half_precision_gives_single_precision():
    assert cp(np.ones((3, 4), dtype="float16"), 2).dtype == np.float32


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rank": 0}, "rank must be a positive integer, got 0"),
        ({"rank": 1, "iterations": 0}, "iterations must be a positive integer, got 0"),
        ({"rank": 1, "tolerance": 0.0}, "tolerance must be positive, got 0.0"),
        ({"rank": 1, "init": "eye"}, "init must be 'svd' or 'random', got 'eye'"),
        ({"rank": 1, "rng": 1}, "rng is for init='random', got init='svd', which draws nothing"),
        ({"rank": 1, "init": "random", "rng": -1}, "rng must be a non-negative integer"),
        ({"rank": 1, "rows": 3}, "rows must be in 1 .. 2"),
    ],
)
def test_bad_values_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        cp(np.ones((2, 3, 4)), **options)


@pytest.mark.parametrize("options", [{"rank": (1, 2)}, {"rank": 1.5}, {"rank": True}, {"rank": 1, "iterations": 2.5}])
def test_bad_types_are_named(options):
    with pytest.raises(TypeError, match="must be an integer"):
        cp(np.ones((2, 3, 4)), **options)


def test_bad_tensors_are_named():
    with pytest.raises(ValueError, match="two or more axes"):
        cp(np.ones(3), 1)
    with pytest.raises(ValueError, match="a must be finite"):
        cp(np.full((2, 2), np.nan), 1)


@pytest.mark.peers
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_tensorly_agrees(rank):
    decomposition = pytest.importorskip("tensorly.decomposition", reason="tensorly is not installed (extra: peers)")
    a = planted((5, 6, 7), rank)[0] + 0.1 * tensor((5, 6, 7), seed=1)
    theirs = decomposition.parafac(a, rank, n_iter_max=1000, tol=0, init="svd").to_tensor()
    near(cp(a, rank, iterations=1000).error_bound, distance(theirs, a), 16 * a.size)
