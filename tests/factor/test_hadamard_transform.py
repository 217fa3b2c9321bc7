"""The fast Walsh-Hadamard transform against its matrix, and its cost."""

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st
from libraries import LIBRARIES
from oracles import agree, lists, seeds
from oracles.factor.sketch import hadamard, product

from factorattn.factor.sketch import hadamard_transform
from factorattn.interpret.counting import counting
from factorattn.testing.tolerance import ROUNDING


@pytest.fixture(params=LIBRARIES)
def xp(request):
    return pytest.importorskip(request.param)


@settings(max_examples=30, deadline=None)
@given(bits=st.integers(0, 6), seed=seeds)
def test_it_is_the_product_with_sylvesters_matrix(bits, seed):
    x = np.random.default_rng(seed).standard_normal(2**bits)
    agree(hadamard_transform(x), product(hadamard(2**bits), *lists(x)), 2**bits)


@pytest.mark.parametrize("n", [1, 2, 8, 32])
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
def test_rows_of_the_identity_become_the_matrix_of_scipy_exactly(xp, n, dtype):
    got = np.asarray(hadamard_transform(xp.asarray(np.eye(n, dtype=dtype))))
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, scipy.linalg.hadamard(n))


def test_two_transforms_multiply_by_the_size(xp):
    x = np.random.default_rng(0).standard_normal((2, 3, 16))
    got = np.asarray(hadamard_transform(hadamard_transform(xp.asarray(x))))
    assert np.max(np.abs(got - 16 * x)) <= 16 * np.max(np.abs(x)) * ROUNDING("float64", 16)


@pytest.mark.parametrize("bits", [0, 1, 5, 10])
def test_it_takes_one_addition_for_each_entry_and_bit(bits):
    xp = counting()
    x = xp.empty((3, 2**bits))
    xp.tally.start()
    assert hadamard_transform(x).shape == (3, 2**bits)
    assert xp.tally.flops == 3 * 2**bits * bits


def test_other_sizes_are_refused_with_the_remedy():
    for n, full in ((0, 1), (3, 4), (12, 16)):
        with pytest.raises(ValueError, match=rf"must be a power of two, got shape \(2, {n}\); fill .* to {full}$"):
            hadamard_transform(np.ones((2, n)))
    with pytest.raises(ValueError, match="x must be finite"):
        hadamard_transform(np.asarray([1.0, np.nan]))
    with pytest.raises(TypeError, match="x must have a real floating dtype"):
        hadamard_transform(np.asarray([1, 2]))
