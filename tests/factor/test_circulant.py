"""The nearest circulant matrix has the mean of each wrapped diagonal (T. Chan 1988); the DFT diagonalises it."""

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from oracles import agree, draw, lists, seeds, sizes
from oracles.factor import circulant as oracle

from factorattn.factor.factored import Circulant
from factorattn.factor.structured import circulant, toeplitz
from factorattn.testing import BOUND, ROUNDING


@given(n=sizes, seed=seeds)
@settings(deadline=None)
def test_it_is_the_oracle(n, seed):
    (a,) = draw(seed, (n, n))
    column = oracle.nearest_circulant(*lists(a))
    agree(circulant(a).column, column, n)
    agree(circulant(a).to_dense(), oracle.circulant_matrix(column), n)


@given(n=sizes, seed=seeds)
@settings(deadline=None)
def test_eigenvalues_are_the_transform_of_the_first_column(n, seed):
    column, x = draw(seed, n, (n, 2))
    f = Circulant(column)
    agree(f.eigenvalues, oracle.dft(column.tolist()), n)
    for k, value in enumerate(f.eigenvalues):
        vector = np.exp(2j * np.pi * np.arange(n) * k / n)
        agree(f.matvec(vector), value * vector, n * n)
    agree(f @ x, np.array(oracle.circulant_matrix(column.tolist())) @ x, n)


def test_a_worked_example():
    got = circulant(np.asarray([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]))
    assert got.column.tolist() == [5.0, 5.0, 5.0]
    got = circulant(np.diag([1.0, 2.0, 6.0]))
    assert got.to_dense().tolist() == [[3.0, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, 0.0, 3.0]]
    assert got.error_bound == np.sqrt(4 + 1 + 9)


@pytest.mark.parametrize("n", [1, 2, 5, 16, 1000])
def test_matrices_and_products_are_scipys(n):
    column, x = draw(0, n, (n, 2))
    f, want = Circulant(column), scipy.linalg.circulant(column)
    np.testing.assert_array_equal(f.to_dense(), want)
    agree(f @ x, want @ x, n)
    np.testing.assert_array_equal(f.mT.to_dense(), want.T)


def test_it_is_the_preconditioner_of_chan_for_a_toeplitz_matrix():
    n = 8
    column, row = draw(1, n, n)
    row[0] = column[0]
    i = np.arange(n)
    chan = [((n - k) * column[k] + k * (row[n - k] if k else 0.0)) / n for k in i]  # his equation, for real entries
    agree(circulant(toeplitz(scipy.linalg.toeplitz(column, row)).to_dense()).column, chan, n)


def test_positive_definite_matrices_stay_so():
    (b,) = draw(2, (9, 9))
    a = b @ b.T + np.eye(9)
    got = circulant(a).eigenvalues
    assert np.max(np.abs(got.imag)) <= ROUNDING("float64", 81) * np.max(got.real)
    assert np.min(got.real) >= np.min(np.linalg.eigvalsh(a)) * (1 - ROUNDING("float64", 81))


def test_no_other_circulant_matrix_is_nearer():
    (a,), rng = draw(3, (7, 7)), np.random.default_rng(4)
    best = circulant(a)
    for step in (1e-3, 0.1, 1.0):
        for _ in range(30):
            other = best.map(lambda x, step=step: x + step * rng.standard_normal(x.shape))
            assert best.error_bound <= BOUND(np.linalg.norm(a - other.to_dense()), length=a.size)


def test_what_is_left_out_is_what_the_fourier_basis_does_not_diagonalise():
    (a,), n = draw(5, (8, 8)), 8
    f = scipy.linalg.dft(n)
    spectrum = f @ a @ np.linalg.inv(f)
    agree(circulant(a).eigenvalues, np.diag(spectrum), n * n)
    off = np.linalg.norm(spectrum - np.diag(np.diag(spectrum)))  # the transform is unitary up to a factor
    assert abs(off - circulant(a).error_bound) <= ROUNDING("float64", n**3) * off


def test_operations_and_parameters():
    f = Circulant(np.ones(1024))
    assert f.parameters == 1024
    assert f.flops == 3 * 2.5 * 1024 * 10 + 6 * 513


def test_matrices_that_are_not_square_are_refused():
    with pytest.raises(ValueError, match=r"^axis 'p' is 3 in a \(3, 4\) but 4 in a \(3, 4\)"):
        circulant(np.ones((3, 4)))
