"""The error function as a primitive: which kernel runs where, its derivatives, and GELU's, against torch."""

import math

import numpy as np
import pytest
from libraries import LIBRARIES
from oracles import agree

from factorattn import kernels
from factorattn.interpret.gradient import vjp
from factorattn.model.activation import gelu
from factorattn.primitives.erf import erf, erfc
from factorattn.testing import ROUNDING
from factorattn.testing.differences import check_gradients

X = np.concatenate([np.linspace(-5, 5, 41), [-1e-9, 1e-9, 30.0, -30.0]])


@pytest.mark.parametrize("mode", ["auto", "off"])
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(("f", "exact"), [(erf, math.erf), (erfc, math.erfc)], ids=["erf", "erfc"])
def test_it_is_that_of_python_with_and_without_kernels(f, exact, library, mode):
    xp = pytest.importorskip(library)
    with kernels(mode):
        got = np.asarray(f(xp.asarray(X)))
    want = np.array([exact(x) for x in X])
    assert np.all(np.abs(got - want) <= ROUNDING(np.float64, 1) * np.abs(want) + np.finfo(np.float64).tiny)


def test_a_kernel_runs_where_there_is_one():
    with kernels("auto") as log:
        erf(X)
        vjp(erf, X)  # which calls the kernel, too
    assert [choice.ran for choice in log] == ["erf_scipy", "erf_scipy", "erf_gradient"]


@pytest.mark.parametrize("mode", ["auto", "off"])
@pytest.mark.parametrize("f", [erf, erfc])
def test_half_precision_is_rounded_once(f, mode):
    x = X.astype("float16")
    with kernels(mode):
        got = f(x)
        np.testing.assert_array_equal(got, f(x.astype("float32")).astype("float16"))
    assert got.dtype == np.float16


@pytest.mark.parametrize("mode", ["auto", "off"])
@pytest.mark.parametrize("f", [erf, erfc])
def test_derivatives_are_those_of_differences(f, mode):
    with kernels(mode):
        check_gradients(f, X)


@pytest.mark.parametrize("f", [erf, erfc])
def test_the_derivative_is_a_bell(f):
    (slope,) = vjp(f, X)[1](np.ones_like(X))
    bell = np.array([2 / math.sqrt(math.pi) * math.exp(-x * x) for x in X])
    agree(slope, bell if f is erf else -bell, 1)


def test_what_nobody_asks_for_is_no_nan():
    (slope,) = vjp(erf, np.array([np.nan, np.inf, 0.0]))[1](np.array([0.0, 1.0, 0.0]))
    np.testing.assert_array_equal(slope, 0.0)


@pytest.mark.parametrize("library", LIBRARIES)
def test_gelu_is_differentiated_on_every_library(library):
    xp = pytest.importorskip(library)
    density = np.array([math.exp(-x * x / 2) / math.sqrt(2 * math.pi) for x in X])
    want = np.array([(1 + math.erf(x / math.sqrt(2))) / 2 for x in X]) + X * density
    (got,) = vjp(lambda x: gelu(x, xp=x.__array_namespace__()), xp.asarray(X))[1](xp.ones(X.shape, dtype=xp.float64))
    agree(np.asarray(got), want, 1)


@pytest.mark.peers
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gelu_has_the_gradient_of_torch(dtype):
    torch = pytest.importorskip("torch", reason="torch is not installed (extra: peers)")
    x, g = X.astype(dtype), np.random.default_rng(0).standard_normal(X.shape).astype(dtype)
    y = torch.tensor(x, requires_grad=True)
    (want,) = torch.autograd.grad(torch.nn.functional.gelu(y), y, torch.tensor(g))
    (got,) = vjp(lambda x: gelu(x, xp=x.__array_namespace__()), x)[1](g)
    assert got.dtype == dtype
    agree(got, want.numpy(), 1)
