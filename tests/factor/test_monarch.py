"""The nearest Monarch matrix is a truncated SVD of each of its blocks (Dao et al. 2022)."""

import itertools

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, draw, lists, seeds
from oracles.factor import monarch as oracle

from factorattn.factor.factored import Monarch
from factorattn.factor.structured import monarch
from factorattn.testing import BOUND, ROUNDING

small = st.integers(1, 3)


@given(l=small, x=small, k=small, y=small, rank=st.integers(1, 4), seed=seeds)
@settings(deadline=None, max_examples=40)
def test_it_is_the_oracle(l, x, k, y, rank, seed):
    (a,) = draw(seed, (x * l, k * y))
    got = monarch(a, rank, blocks=(l, k))
    agree(got.to_dense(), oracle.nearest_monarch(*lists(a), l, k, rank), a.size**2)
    agree(got.to_dense(), oracle.monarch_matrix(*lists(got.left, got.right)), a.size)


@given(l=small, x=small, k=small, y=small, r=small, seed=seeds)
@settings(deadline=None, max_examples=40)
def test_the_kind_is_the_papers_product(l, x, k, y, r, seed):
    left, right, z = draw(seed, (l, x, k * r), (k, r * l, y), (k * y, 2))
    f = Monarch(left, right)
    want = np.asarray(oracle.monarch_matrix(*lists(left, right)))
    agree(f.to_dense(), want, r)
    agree(f @ z, want @ z, k * y * r)
    assert f.flops == 2 * f.parameters == 2 * r * (k * x * l + l * k * y)


def test_it_is_two_block_diagonal_matrices_and_a_permutation():
    left, right = draw(0, (4, 4, 4), (4, 4, 4))  # n = 16: the paper's P reads a 4 by 4 array by columns
    p = np.eye(16)[np.arange(16).reshape(4, 4).T.reshape(-1)]
    want = p @ scipy.linalg.block_diag(*left) @ p.T @ scipy.linalg.block_diag(*right)
    agree(Monarch(left, right).to_dense(), want, 16)


@pytest.mark.parametrize("rank", [1, 2])
def test_no_other_monarch_matrix_is_nearer(rank):
    (a,), rng = draw(1, (12, 9)), np.random.default_rng(2)
    best = monarch(a, rank, blocks=(4, 3))
    for step in (1e-3, 0.1, 1.0):
        for _ in range(30):
            other = best.map(lambda x, step=step: x + step * rng.standard_normal(x.shape))
            assert best.error_bound <= BOUND(np.linalg.norm(a - other.to_dense()), length=a.size)


def test_errors_fall_with_the_rank_of_the_blocks_and_vanish():
    (a,) = draw(3, (16, 16))
    bounds = [float(monarch(a, rank).error_bound) for rank in (1, 2, 3, 4)]
    assert all(after < before for before, after in itertools.pairwise(bounds))
    assert bounds[-1] == 0
    agree(monarch(a, 9).to_dense(), a, 256)


@pytest.mark.parametrize(("n", "k"), [(16, 4), (12, 3), (30, 5), (64, 8)])
def test_the_dft_matrix_is_one_after_a_permutation_of_its_columns(n, k):
    f = scipy.linalg.dft(n)
    y = n // k
    order = np.arange(n).reshape(y, k).T.reshape(-1)  # place j1 y + j2 takes column j1 + k j2
    got = monarch(f[:, order], blocks=(y, k))
    assert got.error_bound <= ROUNDING("float64", n * n) * np.linalg.norm(f)
    agree(got.to_dense(), f[:, order], n * n)
    assert got.parameters == n * (k + y)
    assert monarch(f, blocks=(y, k)).error_bound > ROUNDING("float64", n * n) * np.linalg.norm(f)  # and not without it


def test_kronecker_products_and_hadamard_matrices_are_monarch():
    b, c = draw(4, (3, 4), (5, 2))
    got = monarch(np.kron(b, c), blocks=(5, 4))
    assert got.error_bound <= ROUNDING("float64", 120) * np.linalg.norm(b) * np.linalg.norm(c)
    h = scipy.linalg.hadamard(64).astype("float64")
    got = monarch(h)
    assert got.error_bound <= ROUNDING("float64", 64) * 64
    agree(got.to_dense(), h, 64 * 64)


def test_parameters_are_two_n_to_the_three_halves():
    f = monarch(np.ones((256, 256)))
    assert f.parameters == 2 * 256 * 16
    assert f.left.shape == f.right.shape == (16, 16, 16)
    assert monarch(np.ones((12, 10)), 2, blocks=(3, 5)).parameters == 2 * (5 * 12 + 3 * 10)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"blocks": (5, 2)}, r"^blocks\[0\] must divide the 12 rows, got 5; 4 and 6 do, and are nearest$"),
        ({"blocks": (3, 3)}, r"^blocks\[1\] must divide the 8 columns, got 3; 2 and 4 do, and are nearest$"),
        ({"blocks": 4}, r"^blocks must be two integers, got 4$"),
        ({"rank": 0}, r"^rank must be a positive integer, got 0$"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        monarch(np.ones((12, 8)), **options)
