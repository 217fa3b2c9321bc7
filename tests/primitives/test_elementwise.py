"""Elementwise functions and rows: worked numbers, both ends of the range, empty rows, every library."""

import math

import array_api_compat.numpy as xnp
import numpy as np
import pytest
from libraries import LIBRARIES

from factorattn.primitives.elementwise import elu, elu_plus_one, log_sigmoid, log_sum_exp, sigmoid, unit_rows
from factorattn.testing import ROUNDING
from factorattn.testing.case import to_numpy

FUNCTIONS = {
    sigmoid: lambda x: 1 / (1 + math.exp(-x)),
    log_sigmoid: lambda x: -math.log1p(math.exp(-x)),
    elu: lambda x: x if x > 0 else math.expm1(x),
    elu_plus_one: lambda x: x + 1 if x > 0 else math.exp(x),
}


@pytest.fixture(params=LIBRARIES)
def xp(request):
    return pytest.importorskip(request.param)


@pytest.mark.parametrize("f", FUNCTIONS, ids=lambda f: f.__name__)
def test_numbers_are_those_of_the_equation_to_the_last_digits(f):
    x = [-700.0, -40.0, -1.0, -1e-9, 0.0, 1e-9, 1.0, 40.0, 700.0]
    np.testing.assert_allclose(f(np.array(x), xp=xnp), [FUNCTIONS[f](a) for a in x], rtol=ROUNDING(np.float64, 1))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numbers_of_any_size_neither_overflow_nor_become_nan(dtype):
    x = np.array([-np.inf, np.finfo(dtype).min, np.finfo(dtype).max, np.inf], dtype)
    with np.errstate(over="raise", invalid="raise"):
        np.testing.assert_array_equal(sigmoid(x, xp=xnp), [0, 0, 1, 1])
        np.testing.assert_array_equal(log_sigmoid(x, xp=xnp), [-np.inf, x[1], 0, 0])
        np.testing.assert_array_equal(elu(x, xp=xnp), [-1, -1, x[2], np.inf])
        np.testing.assert_array_equal(elu_plus_one(x, xp=xnp), [0, 0, x[2], np.inf])
    for f in FUNCTIONS:
        assert np.isnan(f(np.array([np.nan], dtype), xp=xnp))


@pytest.mark.parametrize("size", [1e-200, 1.0, 1e200])
def test_unit_rows_have_length_one_whatever_their_size(size):
    x = size * np.array([[3.0, -4.0], [0.0, 0.0], [0.0, 5.0]])
    want = [[0.6, -0.8], [0.0, 0.0], [0.0, 1.0]]
    np.testing.assert_allclose(unit_rows(x, xp=xnp), want, rtol=ROUNDING(np.float64, 2))


def test_rows_without_entries_stay():
    assert unit_rows(np.ones((2, 3, 0)), xp=xnp).shape == (2, 3, 0)


@pytest.mark.parametrize("shift", [-1e6, 0.0, 1e6])
def test_log_sum_exp_of_one_two_three(shift):
    x = shift + np.log(np.array([[1.0, 2.0, 3.0], [0.5, 0.25, 0.25]]))
    got = log_sum_exp(x, axis=-1, xp=xnp)
    np.testing.assert_allclose(got - shift, np.log([[6.0], [1.0]]), atol=ROUNDING(np.float64, 3) * max(1, abs(shift)))
    np.testing.assert_array_equal(log_sum_exp(x.T, axis=-2, xp=xnp), got.T)


def test_log_sum_exp_of_nothing_is_minus_infinity():
    np.testing.assert_array_equal(log_sum_exp(np.full((2, 3), -np.inf), axis=-1, xp=xnp), np.full((2, 1), -np.inf))
    np.testing.assert_array_equal(log_sum_exp(np.ones((2, 0)), axis=-1, xp=xnp), np.full((2, 1), -np.inf))


def test_every_library_gives_the_same(xp):
    x = np.random.default_rng(0).standard_normal((4, 5))
    theirs = xp.asarray(x)
    for f in (*FUNCTIONS, unit_rows):
        np.testing.assert_allclose(to_numpy(f(theirs, xp=xp)), f(x, xp=xnp), rtol=ROUNDING(np.float64, 5))
    got = to_numpy(log_sum_exp(theirs, axis=-2, xp=xp))
    np.testing.assert_allclose(got, log_sum_exp(x, axis=-2, xp=xnp), rtol=ROUNDING(np.float64, 5))
