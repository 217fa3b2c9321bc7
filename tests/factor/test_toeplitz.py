"""The nearest Toeplitz matrix has the mean of each diagonal; products go through Fourier transforms."""

import math

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from oracles import agree, draw, lists, seeds, sizes
from oracles.factor import toeplitz as oracle

from factorattn.factor.factored import Toeplitz
from factorattn.factor.factored.convolution import _smooth
from factorattn.factor.structured import toeplitz
from factorattn.testing import BOUND, ROUNDING


@given(p=sizes, q=sizes, seed=seeds)
@settings(deadline=None)
def test_it_is_the_oracle(p, q, seed):
    (a,) = draw(seed, (p, q))
    column, row = oracle.nearest_toeplitz(*lists(a))
    got = toeplitz(a)
    agree(got.column, column, p + q)
    agree(got.row, row, p + q)
    agree(got.to_dense(), oracle.toeplitz_matrix(column, row), p + q)


@given(p=sizes, q=sizes, seed=seeds)
@settings(deadline=None)
def test_products_are_the_oracles(p, q, seed):
    column, row, x = draw(seed, p, q, q)
    agree(Toeplitz(column, row).matvec(x), oracle.toeplitz_product(*lists(column, row, x)), p + q)


def test_a_worked_example():
    got = toeplitz(np.asarray([[1.0, 2.0, 7.0], [4.0, 3.0, 6.0]]))
    assert got.to_dense().tolist() == [[2.0, 4.0, 7.0], [4.0, 2.0, 4.0]]
    assert got.error_bound == math.sqrt(1 + 4 + 1 + 4)
    assert got.diagonals.tolist() == [7.0, 4.0, 2.0, 4.0]
    assert got.parameters == 4


@pytest.mark.parametrize(("p", "q"), [(1, 1), (5, 3), (3, 5), (64, 64), (100, 37)])
def test_matrices_and_products_are_scipys(p, q):
    column, row, x = draw(0, p, q, (q, 2))
    f = Toeplitz(column, row)
    np.testing.assert_array_equal(
        f.to_dense(), scipy.linalg.toeplitz(column, row)
    )  # the corner is the column's there, too
    agree(f @ x, scipy.linalg.matmul_toeplitz((column, row), x), p + q)
    agree(f.mT.to_dense(), scipy.linalg.toeplitz(column, row).T, 1)
    agree(f.mT @ (f @ x), scipy.linalg.toeplitz(column, row).T @ (scipy.linalg.toeplitz(column, row) @ x), p + q)


@pytest.mark.parametrize("kind", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("n", [1, 2, 31, 1000])
def test_products_are_within_rounding_of_the_dense_ones_and_keep_the_dtype(n, kind):
    column, row, x = (z.astype(kind) for z in draw(1, n, n, (n, 2)))
    if kind.startswith("complex"):
        column, row = column * (1 + 0.5j), row * (2 - 1j)
    f = Toeplitz(column.astype(kind), row.astype(kind))
    got, exact = f @ x, f.astype("complex128").to_dense() @ x.astype("complex128")
    assert got.dtype == kind
    assert np.max(np.abs(got - exact)) <= ROUNDING(kind, n) * np.max(np.abs(exact))


def test_real_matrices_take_complex_vectors():
    column, row, real, imaginary = draw(2, 6, 4, 4, 4)
    f = Toeplitz(column, row)
    agree(f.matvec(real + 1j * imaginary), f.to_dense() @ (real + 1j * imaginary), 10)


def test_no_other_toeplitz_matrix_is_nearer():
    (a,), rng = draw(3, (6, 9)), np.random.default_rng(4)
    best = toeplitz(a)
    for step in (1e-3, 0.1, 1.0):
        for _ in range(30):
            other = best.map(lambda x, step=step: x + step * rng.standard_normal(x.shape))
            assert best.error_bound <= BOUND(np.linalg.norm(a - other.to_dense()), length=a.size)


def test_the_transpose_and_sums_are_approximated_by_transpose_and_sums():
    a, b = draw(5, (7, 4), (7, 4))
    agree(toeplitz(a.T).to_dense().T, toeplitz(a).to_dense(), 28)
    agree(toeplitz(a + b).to_dense(), toeplitz(a).to_dense() + toeplitz(b).to_dense(), 28)


def test_operations_grow_like_n_log_n():
    f = Toeplitz(np.ones(1024), np.ones(1024))
    assert f.flops == 3 * 2.5 * 2048 * 11 + 6 * 1025
    assert Toeplitz(np.ones(5), np.ones(4)).flops == 3 * 2.5 * 8 * 3 + 6 * 5  # p + q - 1 = 8 is long enough
    assert f.parameters == 2047
    assert f.nbytes == 8 * 2048  # the corner is kept twice
    assert f.flops < 2 * 1024**2 / 8


@given(n=sizes)
def test_lengths_of_transforms_are_long_enough_and_not_much_longer(n):
    for length in (n, 10 * n + 1, 997 * n):
        padded = _smooth(length)
        assert length <= padded < 2 * length or padded == length == 1
        odd = padded // (padded & -padded)
        assert odd in (1, 3, 5, 9, 15)
    assert [_smooth(n) for n in (1, 2, 3, 4, 7, 11, 17, 31, 33)] == [1, 2, 3, 4, 8, 12, 18, 32, 36]
