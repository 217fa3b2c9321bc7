"""A matrix as a train over the digits of its rows and columns (Oseledets 2010)."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from libraries import LIBRARIES
from matrices import normal
from oracles import agree, draw, seeds
from oracles.factor import tensor_train_matrix as oracle
from tensors import DTYPES, counted, distance, multiplies_as_its_matrix, near, tensor

from factorattn.factor import tensor_train_matrix
from factorattn.factor.tensor.tensor_train_matrix import near_equal_factors
from factorattn.interpret.counting import counting
from factorattn.testing import BOUND, ROUNDING

pairs = st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3)), min_size=2, max_size=3)
MODES = [
    ((2, 3), (4, 2)),
    ((2, 2, 3), (2, 2, 2)),
    ((1, 3, 2), (2, 1, 1)),
    ((5, 1), (1, 3)),
    ((2, 2, 2, 2), (3, 1, 1, 2)),
]


@pytest.fixture(params=LIBRARIES)
def xp(request):
    return pytest.importorskip(request.param)


def split(modes, rank, **options):
    rows, columns = modes
    a = tensor((math.prod(rows), math.prod(columns)), **options)
    return a, tensor_train_matrix(a, rank, row_modes=rows, column_modes=columns)


@given(modes=pairs, rank=st.integers(1, 5), seed=seeds)
@settings(max_examples=40, deadline=None)
def test_oracle(modes, rank, seed):
    rows, columns = zip(*modes, strict=True)
    (a,) = draw(seed, (math.prod(rows), math.prod(columns)))
    got = tensor_train_matrix(a, rank, row_modes=rows, column_modes=columns)
    want = oracle.tensor_train_matrix(a.tolist(), rows, columns, [rank] * (len(rows) - 1))
    agree(got.to_dense(), want, 16 * a.size)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("modes", MODES)
@pytest.mark.parametrize("rank", [1, 2, 1000, None])
def test_the_error_is_what_was_left_out(modes, rank, dtype):
    a, got = split(modes, rank, dtype=dtype)
    real = np.zeros(0, dtype).real.dtype
    assert got.row_modes == modes[0]
    assert got.column_modes == modes[1]
    error = distance(got.to_dense(), a)
    assert abs(error - float(got.error_bound)) <= ROUNDING(real, 16 * a.size) * np.linalg.norm(a)
    if rank in (1000, None):
        near(got.to_dense(), a, 16 * a.size)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("modes", MODES)
def test_it_multiplies_as_its_matrix(xp, modes, dtype):
    a = tensor((math.prod(modes[0]), math.prod(modes[1])), dtype=dtype)
    multiplies_as_its_matrix(tensor_train_matrix(xp.asarray(a), 3, row_modes=modes[0], column_modes=modes[1]), xp)


@pytest.mark.parametrize("modes", MODES)
@pytest.mark.parametrize("batch", [(), (2, 3)])
def test_operations_are_those_that_are_counted(modes, batch):
    a = tensor((*batch, math.prod(modes[0]), math.prod(modes[1])))
    got = tensor_train_matrix(a, 3, row_modes=modes[0], column_modes=modes[1])
    for f in (got, got.mT):
        assert counted(f)[0] == f.flops


def test_a_batch_is_factored_member_by_member(xp):
    a = tensor((2, 3, 12, 8))
    got = tensor_train_matrix(xp.asarray(a), 2)
    assert got.shape == (2, 3, 12, 8)
    assert got.error_bound.shape == (2, 3)
    for at in np.ndindex(2, 3):
        alone = tensor_train_matrix(a[at], 2)
        near(np.asarray(got.to_dense())[at], alone.to_dense(), 16 * 96)
        near(np.asarray(got.error_bound)[at], alone.error_bound, 16 * 96)
    multiplies_as_its_matrix(got, xp)


def kronecker(*matrices):
    out = matrices[0]
    for m in matrices[1:]:
        out = np.kron(out, m)
    return out


@pytest.mark.parametrize("terms", [1, 2, 3])
def test_a_sum_of_kronecker_products_has_as_many_ranks(terms):
    rng = np.random.default_rng(0)
    a = sum(kronecker(*(rng.standard_normal(s) for s in ((2, 3), (4, 2), (3, 3)))) for _ in range(terms))
    got = tensor_train_matrix(a, terms, row_modes=(2, 4, 3), column_modes=(3, 2, 3))
    assert got.ranks == (terms, terms)
    near(got.to_dense(), a, 16 * a.size)


def test_the_identity_has_rank_one_here_and_full_rank_elsewhere():
    got = tensor_train_matrix(np.eye(64), 1)
    near(got.to_dense(), np.eye(64), 64 * 64)
    assert got.row_modes == got.column_modes == (4, 4, 4)
    assert got.parameters == 3 * 16


def test_a_second_difference_has_ranks_of_three():
    # one term for the digits alike, and one for each carry, up and down
    n = 64
    a = 2 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1)
    near(tensor_train_matrix(a, 3, row_modes=(2,) * 6, column_modes=(2,) * 6).to_dense(), a, n * n)
    assert distance(tensor_train_matrix(a, 2, row_modes=(2,) * 6, column_modes=(2,) * 6).to_dense(), a) > 1


def test_two_digits_give_the_nearest_sum_of_kronecker_products():
    # Van Loan and Pitsianis 1993: the singular values of the rearranged matrix
    a = tensor((6, 8))
    rearranged = np.reshape(np.transpose(np.reshape(a, (2, 3, 4, 2)), (0, 2, 1, 3)), (8, 6))
    s = np.linalg.svd(rearranged, compute_uv=False)
    for rank in range(1, 6):
        got = tensor_train_matrix(a, rank, row_modes=(2, 3), column_modes=(4, 2))
        near(distance(got.to_dense(), a), np.linalg.norm(s[rank:]), 16 * 48)


@pytest.mark.parametrize("seed", range(5))
def test_the_error_is_at_most_the_root_of_the_number_of_cuts_times_the_least(seed):
    modes = ((2, 3, 2), (3, 2, 2))
    exact, _ = split(modes, 2, seed=seed)
    exact = tensor_train_matrix(exact, 2, row_modes=modes[0], column_modes=modes[1]).to_dense()
    away = 0.3 * tensor(exact.shape, seed=seed + 100)
    got = tensor_train_matrix(exact + away, 2, row_modes=modes[0], column_modes=modes[1])
    assert distance(got.to_dense(), exact + away) <= BOUND(math.sqrt(2) * np.linalg.norm(away), length=exact.size)


def test_rows_of_an_embedding_never_make_the_table():
    xp = counting()
    modes = ((32, 32, 32), (8, 8, 8))
    a = tensor_train_matrix(xp.empty((32**3, 512), dtype=xp.float32), 4, row_modes=modes[0], column_modes=modes[1])
    index = xp.empty((5,), dtype=xp.int64)
    xp.tally.start()
    out = a.rows(index)
    assert out.shape == (5, 512)
    assert xp.tally.peak < 5 * 512 * 4 * 4  # a few times the answer, where the table has 32768 rows
    assert a.parameters == 32 * 8 * (4 + 16 + 4)


# The modes


@pytest.mark.parametrize(
    ("p", "modes"),
    [
        (64, (4, 4, 4)),
        (384, (6, 8, 8)),
        (768, (8, 8, 12)),
        (1536, (8, 12, 16)),
        (30522, (2, 3, 5087)),  # the vocabulary of BERT: 5087 is prime
        (30720, (30, 32, 32)),
        (50260, None),
    ],
)
def test_factors_are_near_to_equal(p, modes):
    got = near_equal_factors(p, 3)
    assert math.prod(got) == p
    assert modes is None or got == modes
    every = [(i, j, p // (i * j)) for i in range(2, 80) if p % i == 0 for j in range(i, 400) if (p // i) % j == 0]
    assert sum(got) == min(sum(three) for three in every if three[2] >= 2)


def test_modes_that_are_left_out_are_three_or_two_of_each():
    assert tensor_train_matrix(np.ones((12, 8)), 1).row_modes == (2, 2, 3)
    assert tensor_train_matrix(np.ones((6, 8)), 1).row_modes == (2, 3)
    assert tensor_train_matrix(np.ones((6, 8)), 1).column_modes == (2, 4)
    assert tensor_train_matrix(np.ones((6, 8)), 1, column_modes=(2, 4)).row_modes == (2, 3)
    assert tensor_train_matrix(np.ones((24, 16)), 1, row_modes=(2, 2, 2, 3)).column_modes == (2, 2, 2, 2)
    assert tensor_train_matrix(np.ones((1, 8)), 1).row_modes == (1, 1, 1)


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((7, 8), {}, r"p = 7 and q = 8 must both have 2 factors above 1; give row_modes and column_modes, or pad"),
        ((8, 7), {}, "q = 7"),
        ((12, 6), {"row_modes": (2, 2, 3)}, "must both have 3 factors above 1"),
        (
            (12, 8),
            {"row_modes": (5, 2)},
            r"row_modes must be two or more integers whose product is p = 12, got \(5, 2\)",
        ),
        ((12, 8), {"column_modes": (8,)}, "column_modes must be two or more integers whose product is q = 8"),
        ((12, 8), {"row_modes": (3.0, 4)}, "row_modes must be two or more integers"),
        ((12, 8), {"row_modes": (-3, -4)}, "row_modes must be two or more integers"),
        ((12, 8), {"row_modes": 12}, "row_modes must be two or more integers"),
        ((12, 8), {"row_modes": (3, 4), "column_modes": (2, 2, 2)}, r"must be as many, got \(3, 4\) and \(2, 2, 2\)"),
        ((12,), {}, "a needs shape"),
    ],
)
def test_bad_modes_are_named(shape, options, message):
    with pytest.raises(ValueError, match=message):
        tensor_train_matrix(np.ones(shape), 1, **options)


@pytest.mark.parametrize("rank", [0, (1,), (1, 2, 3), 1.5, "2", True])
def test_bad_ranks_are_named(rank):
    with pytest.raises(ValueError, match="rank must be a positive integer or a tuple of 2"):
        tensor_train_matrix(np.ones((12, 8)), rank)


@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_what_is_not_finite_is_refused(poison):
    with pytest.raises(ValueError, match="a must be finite"):
        tensor_train_matrix(np.full((4, 4), poison), 1)


@pytest.mark.parametrize("shape", [(0, 8), (8, 0), (0, 0), (2, 0, 8)])
def test_of_nothing_there_is_nothing(shape):
    got = tensor_train_matrix(np.zeros(shape), 2)
    assert got.to_dense().shape == shape
    assert not np.any(got.error_bound)


def test_the_scale_of_a_matrix_is_no_matter():
    a = tensor((2, 12, 8)) * np.asarray([1, 1e-3])[:, None, None]
    want = tensor_train_matrix(a, 2).to_dense()
    for dtype, factor in (("float64", 1e150), ("float64", 1e-150), ("float32", 1e30), ("float32", 1e-30)):
        got = tensor_train_matrix((a * factor).astype(dtype), 2).to_dense()
        near(np.asarray(got, dtype="float64") / factor, want, 16 * 96, dtype=dtype)


def test_zeros_give_zeros_and_half_precision_gives_single():
    got = tensor_train_matrix(np.zeros((12, 8), dtype="float16"), 2)
    assert got.dtype == np.float32
    assert not np.any(got.to_dense())


@pytest.mark.peers
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_tensorly_agrees(rank):
    decomposition = pytest.importorskip("tensorly.decomposition", reason="tensorly is not installed (extra: peers)")
    rows, columns = (2, 3, 2), (3, 2, 2)
    a = normal(np.random.default_rng(0), (12, 12))
    theirs = decomposition.tensor_train_matrix(np.reshape(a, rows + columns), [1, rank, rank, 1])
    ours = tensor_train_matrix(a, rank, row_modes=rows, column_modes=columns)
    near(ours.to_dense(), np.reshape(np.asarray(theirs.to_matrix()), (12, 12)), 16 * 144)
