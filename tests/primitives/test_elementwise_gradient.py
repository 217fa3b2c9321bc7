"""Slopes of elementwise functions and rows: everywhere, where two branches meet, and far out."""

import math

import array_api_compat
import numpy as np
import pytest
from oracles import agree

from factorattn.interpret.gradient import vjp
from factorattn.primitives.elementwise import (
    elu,
    elu_plus_one,
    log_sigmoid,
    log_sum_exp,
    relu,
    root,
    sigmoid,
    unit_rows,
)
from factorattn.testing.differences import check_gradients

X = np.array([-700.0, -40.0, -1.0, -1e-9, 0.0, 1e-9, 1.0, 40.0, 700.0])
SLOPES = {
    sigmoid: lambda x: math.exp(-abs(x)) / (1 + math.exp(-abs(x))) ** 2,
    log_sigmoid: lambda x: 1 / (1 + math.exp(x)),
    relu: lambda x: 1.0 if x > 0 else 0.0,
    elu: lambda x: 1.0 if x > 0 else math.exp(x),
    elu_plus_one: lambda x: 1.0 if x > 0 else math.exp(x),
}


def plain(f, **options):
    return lambda x: f(x, xp=array_api_compat.array_namespace(x), **options)


@pytest.mark.parametrize("f", SLOPES, ids=lambda f: f.__name__)
def test_slopes_are_those_of_the_equation_also_where_branches_meet(f):
    (got,) = vjp(plain(f), X)[1](np.ones_like(X))
    agree(got, [SLOPES[f](x) for x in X.tolist()], 1)


def test_relu_hides_no_nan():
    np.testing.assert_array_equal(relu(np.array([-1.0, 0.0, 2.0, np.nan]), xp=np), [0.0, 0.0, 2.0, np.nan])


def test_the_slope_of_a_root_at_zero_is_taken_as_zero():
    (got,) = vjp(plain(root), np.array([0.0, 4.0]))[1](np.ones(2))
    np.testing.assert_array_equal(got, [0.0, 0.25])
    np.testing.assert_array_equal(root(np.array([0.0, 4.0, np.inf, np.nan]), xp=np), [0.0, 2.0, np.inf, np.nan])


@pytest.mark.parametrize("f", [plain(unit_rows), plain(log_sum_exp, axis=-1), plain(log_sum_exp, axis=-2)])
def test_rows_are_differentiated(f):
    check_gradients(f, np.random.default_rng(0).standard_normal((2, 4, 3)))


def test_rows_that_are_empty_or_zero_have_finite_slopes():
    rows = np.array([[-np.inf, -np.inf], [0.0, -np.inf]])
    (got,) = vjp(plain(log_sum_exp, axis=-1), rows)[1](np.ones((2, 1)))
    np.testing.assert_array_equal(got, [[0.0, 0.0], [1.0, 0.0]])
    assert np.all(np.isfinite(vjp(plain(unit_rows), np.zeros((2, 3)))[1](np.ones((2, 3)))[0]))
