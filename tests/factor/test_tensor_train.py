"""A product of matrices that the indices pick, from one truncated SVD for each place (Oseledets 2011)."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from libraries import LIBRARIES
from oracles import agree, draw, seeds
from oracles.factor import tensor_train as oracle
from oracles.factor.modes import flat
from tensors import DTYPES, SHAPES, counted, distance, multiplies_as_its_matrix, near, planted, tail, tensor

from factorattn.factor import round_tensor_train, tensor_train, truncated_svd
from factorattn.factor.factored import TensorTrain
from factorattn.testing import BOUND, ROUNDING

modes = st.lists(st.integers(1, 4), min_size=2, max_size=4)


@pytest.fixture(params=LIBRARIES)
def xp(request):
    return pytest.importorskip(request.param)


@given(modes=modes, rank=st.integers(1, 5), seed=seeds)
@settings(max_examples=40, deadline=None)
def test_oracle(modes, rank, seed):
    (a,) = draw(seed, tuple(modes))
    got = tensor_train(a, rank)
    want, left_out = oracle.tensor_train(flat(a.tolist()), modes, [rank] * (len(modes) - 1))
    agree(np.reshape(got.to_tensor(), (-1,)), want, 16 * a.size)
    agree(got.error_bound, math.sqrt(math.fsum(s * s for s in left_out)), 16 * a.size)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_all_cores_but_the_last_are_left_orthogonal(xp, shape, dtype):
    got = tensor_train(xp.asarray(tensor(shape, dtype=dtype)), 3)
    before = 1
    for core, n in zip(got.cores, shape, strict=True):
        assert core.shape[:2] == (before, n)
        before = core.shape[2]
        if core is not got.cores[-1]:
            q = np.reshape(np.asarray(core), (-1, before))
            near(q.conj().T @ q, np.eye(before), q.size, dtype=dtype)
    assert before == 1


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_the_error_is_what_was_left_out_and_below_the_bound_of_the_theorem(shape, rank, dtype):
    a = tensor(shape, dtype=dtype)
    got = tensor_train(a, rank)
    real = np.zeros(0, dtype).real.dtype
    error, size = distance(got.to_tensor(), a), float(np.linalg.norm(a))
    rounding = ROUNDING(real, a.size) * size
    assert abs(error - float(got.error_bound)) <= rounding
    tails = [tail(a.astype("complex128"), k, rank) for k in range(1, a.ndim)]
    assert error <= BOUND(math.hypot(*tails), real, a.size) + rounding  # Theorem 2.2
    assert max(tails) <= BOUND(error, real, a.size) + rounding  # Eckart and Young, in each unfolding


@pytest.mark.parametrize("noise", [1e-3, 0.1, 1.0])
@pytest.mark.parametrize("seed", range(5))
def test_no_train_of_these_ranks_is_nearer_by_more_than_the_root_of_their_number(noise, seed):
    exact = tensor_train(tensor((4, 5, 6, 3), seed=seed), (2, 3, 2)).to_tensor()
    away = noise * tensor(exact.shape, seed=seed + 100)
    error = distance(tensor_train(exact + away, (2, 3, 2)).to_tensor(), exact + away)
    assert error <= BOUND(math.sqrt(3) * np.linalg.norm(away), length=exact.size)


@pytest.mark.parametrize("shape", [(7, 5), (5, 7), (1, 4), (4, 1)])
@pytest.mark.parametrize("rank", [1, 2, 9])
def test_of_a_matrix_it_is_the_truncated_svd(xp, shape, rank):
    a = tensor(shape)
    near(tensor_train(xp.asarray(a), rank).to_dense(), truncated_svd(a, rank).to_dense(), 16 * a.size)


@pytest.mark.parametrize("shape", SHAPES)
def test_without_a_limit_it_is_the_tensor(shape):
    a = tensor(shape)
    for rank in (None, 1000, tuple([1000] * (len(shape) - 1))):
        near(tensor_train(a, rank).to_tensor(), a, 16 * a.size)


def grid(f, n, d):
    """A function of d numbers on n points each."""
    points = np.linspace(0.1, 1.3, n)
    return f(*np.meshgrid(*[points] * d, indexing="ij"))


KNOWN = {
    "a sum of one term for each mode": (grid(lambda *x: sum(x), 5, 4), (2, 2, 2)),
    "a separable function": (grid(lambda *x: np.exp(x[0]) * np.cos(x[1]) / (1 + x[2]), 5, 3), (1, 1)),
    "the sine of a sum": (grid(lambda *x: np.sin(sum(x)), 6, 4), (2, 2, 2)),
    "a quadratic of a sum": (grid(lambda *x: sum(x) ** 2, 6, 4), (3, 3, 3)),
    "a function of neighbours": (grid(lambda *x: x[0] * x[1] + x[1] * x[2], 5, 3), (2, 2)),
    "an exponential, digit by digit": (np.reshape(0.9 ** np.arange(64.0), (2,) * 6), (1,) * 5),
    "a sine, digit by digit": (np.reshape(np.sin(0.3 * np.arange(64.0)), (2,) * 6), (2,) * 5),
    "a Kronecker product": (
        np.reshape(np.kron(tensor((3, 1)), np.kron(tensor((4, 1)), tensor((5, 1)))), (3, 4, 5)),
        (1, 1),
    ),
    "two outer products": (planted((4, 5, 6), 2)[0], (2, 2)),
    "zeros": (np.zeros((2, 3, 4)), (1, 1)),
}


@pytest.mark.parametrize(("a", "ranks"), KNOWN.values(), ids=KNOWN)
def test_ranks_that_are_known_are_found(a, ranks):
    tolerance = ROUNDING("float64", a.size)
    got = tensor_train(a, None, tolerance=tolerance)
    assert got.ranks == ranks
    assert distance(got.to_tensor(), a) <= BOUND(2 * tolerance * np.linalg.norm(a))  # of the ranks, and of rounding
    near(tensor_train(a, ranks).to_tensor(), a, a.size)


@pytest.mark.parametrize("tolerance", [0.0, 1e-3, 0.1, 0.3, 0.7, 1.0])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_tolerance_is_met_with_no_rank_more_than_it_takes(shape, tolerance):
    a = tensor(shape)
    got = tensor_train(a, None, tolerance=tolerance)
    size, places = np.linalg.norm(a), a.ndim - 1
    assert distance(got.to_tensor(), a) <= tolerance * size + ROUNDING("float64", a.size) * size
    first = got.ranks[0]
    if first > 1:  # the first truncation is of an unfolding of the tensor itself
        assert tail(a, 1, first - 1) > tolerance * size / math.sqrt(places)


def test_the_limit_comes_before_the_tolerance():
    assert tensor_train(tensor((4, 4, 4)), 2, tolerance=1e-9).ranks == (2, 2)
    assert tensor_train(tensor((4, 4, 4)), (3, 1), tolerance=1e-9).ranks == (3, 1)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize(("shape", "rows"), [(s, r) for s in SHAPES for r in range(1, len(s))])
def test_it_multiplies_as_its_matrix(xp, shape, rows, dtype):
    a = tensor(shape, dtype=dtype)
    got = tensor_train(xp.asarray(a), 3, rows=rows)
    assert got.shape == (math.prod(shape[:rows]), math.prod(shape[rows:]))
    assert got.modes == shape
    assert got.mT.modes == shape[rows:] + shape[:rows]
    near(np.reshape(np.asarray(got.mT.to_tensor()), got.shape[::-1]), np.asarray(got.to_dense()).T, a.size)
    multiplies_as_its_matrix(got, xp)


@pytest.mark.parametrize(("shape", "rows"), [(s, r) for s in SHAPES for r in range(1, len(s))])
def test_operations_are_those_that_are_counted(shape, rows):
    for got in (tensor_train(tensor(shape), 3, rows=rows), tensor_train(tensor(shape), 3, rows=rows).mT):
        assert counted(got)[0] == got.flops


def test_a_product_never_makes_the_tensor():
    got = tensor_train(planted((4,) * 8, 2)[0], 2, rows=4)
    flops, peak = counted(got)
    assert got.shape == (256, 256)
    assert peak < got.nbytes + 8 * 3 * 256 * 2  # a few vectors of the side, times the rank: no 256 x 256 numbers
    assert flops == got.flops == 2 * 2 * (16 + 16 * 4 + 16 * 16 + 8 * 64)  # both sides: numbers times indices before
    assert got.parameters == 2 * 8 + 6 * 16


def test_the_scale_of_a_tensor_is_no_matter():
    a = tensor((3, 4, 5))
    want = tensor_train(a, 2)
    for dtype, factor in (("float64", 1e150), ("float64", 1e-150), ("float32", 1e30), ("float32", 1e-30)):
        got = tensor_train((a * factor).astype(dtype), 2)
        near(np.asarray(got.to_tensor(), dtype="float64") / factor, want.to_tensor(), a.size, dtype=dtype)
        near(float(got.error_bound) / factor, want.error_bound, a.size, dtype=dtype)


def test_half_precision_gives_single_precision(xp):
    if not hasattr(xp, "float16"):
        pytest.skip("this library has no float16")
    got = tensor_train(xp.asarray(tensor((3, 4, 5)).astype("float16")), 2)
    assert got.dtype == xp.float32


def test_zeros_give_zeros(xp):
    got = tensor_train(xp.zeros((3, 4, 5)), 2)
    assert not np.any(np.asarray(got.to_tensor()))
    assert float(got.error_bound) == 0


@pytest.mark.parametrize("shape", [(0, 3, 4), (3, 0, 4), (3, 4, 0), (0, 0), (0, 2)])
def test_of_nothing_there_is_nothing(shape):
    got = tensor_train(np.zeros(shape), 2)
    assert got.to_tensor().shape == shape
    assert float(got.error_bound) == 0
    assert (got @ np.zeros((got.shape[1], 2))).shape == (shape[0], 2)


# Rounding


def doubled(train):
    """The sum of a train with itself, as trains are added: block by block, with ranks twice as high."""
    first, *middle, last = train.cores
    zeros = [np.zeros_like(core) for core in middle]
    blocks = [
        np.concatenate([np.concatenate([c, z], axis=2), np.concatenate([z, c], axis=2)], axis=0)
        for c, z in zip(middle, zeros, strict=True)
    ]
    return TensorTrain((np.concatenate([first, first], axis=2), *blocks, np.concatenate([last, last], axis=0)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_rounding_undoes_the_ranks_of_a_sum(shape, dtype):
    train = tensor_train(tensor(shape, dtype=dtype), 2)
    twice = doubled(train)
    real = np.zeros(0, dtype).real.dtype
    got = round_tensor_train(twice, tolerance=ROUNDING(real, twice.parameters))
    assert all(after <= before for after, before in zip(got.ranks, train.ranks, strict=True))
    near(got.to_tensor(), 2 * train.to_tensor(), 64 * math.prod(shape), dtype=dtype)


@pytest.mark.parametrize("rank", [1, 2, (2, 1, 2)])
def test_rounding_is_tensor_train_of_the_tensor(rank):
    whole = tensor_train(tensor((3, 4, 2, 5)), None)
    got, want = round_tensor_train(whole, rank), tensor_train(whole.to_tensor(), rank)
    near(got.to_tensor(), want.to_tensor(), 64 * 120)
    near(got.error_bound, want.error_bound, 64 * 120)
    for core in got.cores[:-1]:
        q = np.reshape(core, (-1, core.shape[2]))
        near(q.T @ q, np.eye(q.shape[1]), q.size)


def test_bounds_of_rounding_add_up():
    a = tensor((3, 4, 2, 5))
    first = tensor_train(a, 4)
    second = round_tensor_train(first, 2)
    assert float(second.error_bound) > float(first.error_bound)
    assert distance(second.to_tensor(), a) <= BOUND(float(second.error_bound), length=a.size)
    known = distance(second.to_tensor(), first.to_tensor()) + float(first.error_bound)
    near(second.error_bound, known, a.size)


def test_rounding_keeps_which_modes_are_rows():
    train = tensor_train(tensor((3, 4, 2, 5)), 3, rows=3).mT
    got = round_tensor_train(train, 3)
    assert got.shape == train.shape == (5, 24)
    near(got.to_dense(), train.to_dense(), 64 * 120)


@pytest.mark.parametrize("factor", [1e150, 1e-150])
def test_rounding_is_no_matter_of_scale(factor):
    train = tensor_train(tensor((3, 4, 5)), None)
    large = TensorTrain((train.cores[0] * factor, *train.cores[1:]))
    near(round_tensor_train(large, 2).to_tensor() / factor, tensor_train(train.to_tensor(), 2).to_tensor(), 64 * 60)


# What is refused


@pytest.mark.parametrize(
    ("a", "options", "message"),
    [
        (np.ones(3), {"rank": 1}, r"two or more axes, each a mode, got shape \(3,\); reshape it into modes"),
        (
            np.ones((2, 3, 4)),
            {"rank": np.asarray([2, 2])},
            r"rank must be a positive integer or a tuple of 2, got array\(\[2, 2\]\)",
        ),
        (np.ones((2, 3)), {"rank": 0}, "rank must be a positive integer or a tuple of 1, got 0"),
        (np.ones((2, 3)), {"rank": True}, "got True"),
        (np.ones((2, 3, 4)), {"rank": (1,)}, r"a tuple of 2, got \(1,\)"),
        (np.ones((2, 3, 4)), {"rank": (1, 0)}, r"got \(1, 0\)"),
        (np.ones((2, 3, 4)), {"rank": 1.5}, "got 1.5"),
        (np.ones((2, 3, 4)), {"rank": "2"}, "got '2'"),
        (np.ones((2, 3, 4)), {"rank": 1, "rows": 3}, r"rows must be in 1 .. 2, .*, got 3"),
        (np.ones((2, 3, 4)), {"rank": 1, "rows": 0}, "got 0"),
        (np.ones((2, 3, 4)), {"rank": 1, "tolerance": -0.1}, "tolerance must not be negative, got -0.1"),
        (np.ones((2, 3, 4)), {"rank": 1, "tolerance": np.nan}, "tolerance must be finite"),
        (np.full((2, 3), np.nan), {"rank": 1}, r"a must be finite, but holds nan at \(0, 0\)"),
        (np.asarray([[1.0, 2.0], [np.inf, 1.0]]), {"rank": 1}, r"holds inf at \(1, 0\)"),
    ],
)
def test_bad_values_are_named(a, options, message):
    with pytest.raises(ValueError, match=message):
        tensor_train(a, **options)


@pytest.mark.parametrize(
    ("a", "options", "message"),
    [
        ([[1.0]], {"rank": 1}, "a must be an array"),
        (np.ones((2, 3), dtype=int), {"rank": 1}, "real floating"),
        (np.ones((2, 3)), {"rank": 1, "tolerance": "low"}, "tolerance must be a real number"),
        (np.ones((2, 3)), {"rank": 1, "rows": 1.0}, "rows must be an integer"),
    ],
)
def test_bad_types_are_named(a, options, message):
    with pytest.raises(TypeError, match=message):
        tensor_train(a, **options)


def test_only_trains_are_rounded():
    with pytest.raises(TypeError, match="train must be a TensorTrain, got ndarray"):
        round_tensor_train(np.ones((2, 2)), 1)


@pytest.mark.peers
@pytest.mark.parametrize("shape", [(4, 5, 6), (3, 2, 4, 3), (6, 5)])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_tensorly_agrees(shape, rank):
    decomposition = pytest.importorskip("tensorly.decomposition", reason="tensorly is not installed (extra: peers)")
    a = tensor(shape)
    theirs = decomposition.tensor_train(a, rank=[1, *[rank] * (len(shape) - 1), 1])
    near(tensor_train(a, rank).to_tensor(), theirs.to_tensor(), 16 * a.size)
