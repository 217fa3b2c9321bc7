"""Columns made orthonormal, one after the other."""

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from libraries import LIBRARIES
from oracles import draw, lists, seeds, sizes
from oracles.factor import qr as oracle

from factorattn.factor.selection import qr
from factorattn.interpret.counting import counting
from factorattn.testing import ROUNDING
from factorattn.testing.case import to_numpy
from factorattn.testing.cost_laws import declared_growth_is_counted

SHAPES = [(7, 5), (5, 7), (6, 6), (1, 4), (4, 1), (2, 3, 6, 4), (3, 0), (0, 3)]


@pytest.fixture(params=LIBRARIES)
def xp(request):
    return pytest.importorskip(request.param)


@settings(deadline=None)
@given(p=sizes, q=sizes, seed=seeds)
def test_it_is_gram_and_schmidt_up_to_signs(p, q, seed):
    (a,) = draw(seed, (p, q))
    got, (basis, triangle) = qr(a), oracle.qr(*lists(a))
    sign = np.where(np.diagonal(got.r) < 0, -1.0, 1.0)
    allowed = ROUNDING("float64", a.size) * np.linalg.cond(a[:, : min(p, q)])
    assert np.max(np.abs(got.q * sign - basis)) <= allowed
    assert np.max(np.abs(sign[:, None] * got.r - triangle)) <= allowed * np.linalg.norm(a)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
@pytest.mark.parametrize("shape", SHAPES)
def test_factors_are_orthonormal_and_triangular_and_multiply_to_the_matrix(xp, shape, dtype):
    rng = np.random.default_rng(0)
    a = (rng.standard_normal(shape) + (1j * rng.standard_normal(shape) if dtype == "complex128" else 0)).astype(dtype)
    got = qr(xp.asarray(a))
    q, r = to_numpy(got.q), to_numpy(got.r)
    allowed = ROUNDING(dtype, max(a.size, 1))
    assert q.shape == (*shape[:-1], min(shape[-2:]))
    assert np.max(np.abs(q.mT.conj() @ q - np.eye(q.shape[-1])), initial=0.0) <= allowed
    assert np.array_equal(r, np.triu(r))
    assert np.max(np.abs(to_numpy(got.to_dense()) - a), initial=0.0) <= allowed * np.max(np.abs(a), initial=0.0)
    assert np.array_equal(to_numpy(got.error_bound), np.zeros(shape[:-2]))


def test_a_worked_example():
    """(3, 4) has length 5; of (1, 0) there is 3/5 along it and 4/5 beside it."""
    got = qr(np.asarray([[3.0, 1.0], [4.0, 0.0]]))
    assert np.allclose(np.abs(got.q), [[0.6, 0.8], [0.8, 0.6]], rtol=0, atol=ROUNDING("float64", 2))
    assert np.allclose(np.abs(got.r), [[5.0, 0.6], [0.0, 0.8]], rtol=0, atol=ROUNDING("float64", 2))


def test_scipy_has_the_same_up_to_signs():
    a = np.random.default_rng(0).standard_normal((40, 20))
    q, _ = scipy.linalg.qr(a, mode="economic")
    got = qr(a)
    assert np.max(np.abs(got.q * np.sign(np.sum(got.q * q, axis=0)) - q)) <= ROUNDING("float64", a.size)


@pytest.mark.parametrize("shape", [(6, 4), (2, 4, 6)])
def test_a_product_costs_what_is_declared(shape):
    xp = counting()
    got = qr(xp.empty(shape))
    before = xp.tally.flops
    got.matvec(xp.empty((*shape[:-2], shape[-1])))
    assert xp.tally.flops - before == got.flops


def test_the_declared_cost_grows_as_the_counted_one():
    declared_growth_is_counted(qr, {"p": 4000, "q": 200})


def test_bad_input_is_refused_by_name():
    with pytest.raises(ValueError, match="a must be finite, but holds nan"):
        qr(np.asarray([[1.0, np.nan]]))
    with pytest.raises(ValueError, match="a needs shape"):
        qr(np.ones(3))
    with pytest.raises(TypeError, match="a must have a"):
        qr(np.ones((2, 2), int))
