"""Facts about the distribution `entmax_gradient`."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, distribution

from factorattn.distribution import entmax, entmax_alpha_gradient
from factorattn.testing import ROUNDING
from factorattn.testing.case import to_numpy

distinct = st.lists(st.integers(-40, 40), min_size=1, max_size=5, unique=True)


@settings(deadline=None, max_examples=30)
@given(distinct, st.sampled_from([1.000001, 1.03, 1.25, 1.5, 1.7, 2.0]))
def test_the_gradient_is_the_limit_of_differences(numbers, alpha):
    a = [x / 12.97 for x in numbers]  # no sum of them is 1, where the support of sparsemax has an edge
    want = distribution.entmax_alpha_gradient(a, alpha=alpha)
    agree(entmax_alpha_gradient(np.array(a), alpha), want, len(a))
    agree(entmax_alpha_gradient(np.array(a), np.asarray(alpha)), want, len(a))


def test_it_is_the_equation_of_the_paper(rng):
    # Correia, Niculae and Martins 2019, the proposition on the gradient with respect to alpha
    a, alpha = 2 * rng.standard_normal(12), 1.6
    p = entmax(a, alpha)
    inside = p > 0
    skewed = np.where(inside, np.where(inside, p, 1.0) ** (2 - alpha), 0.0)
    skewed /= np.sum(skewed)
    h = -p * np.log(np.where(inside, p, 1.0))
    want = (p - skewed) / (alpha - 1) ** 2 + (h - skewed * np.sum(h)) / (alpha - 1)
    agree(entmax_alpha_gradient(a, alpha), want, 12)


def test_at_one_it_is_the_limit_of_the_paper(rng):
    a = rng.standard_normal((5, 12))
    p = entmax(a, 1.0)
    square = np.log(p) ** 2
    want = p * (np.sum(p * square, axis=-1, keepdims=True) - square) / 2
    agree(entmax_alpha_gradient(a, 1.0), want, 12)
    agree(entmax_alpha_gradient(a, np.asarray(1.0)), want, 12)
    agree(entmax_alpha_gradient(a, 1 + 2**-50), want, 12)  # where the paper's terms are 10^15 and cancel


def test_it_sums_to_zero_and_is_zero_outside_the_support(rng):
    a = rng.standard_normal((30, 20))
    a[3], a[5, 2] = -np.inf, -np.inf
    for alpha in (1.0, 1.2, 1.5, 2.0, 2.5):
        dp = entmax_alpha_gradient(a, alpha)
        assert np.max(np.abs(np.sum(dp, axis=-1))) <= ROUNDING(np.float64, 20) * np.max(np.abs(dp))
        np.testing.assert_array_equal(dp[entmax(a, alpha) == 0], 0.0)


def test_arrays_of_every_library_give_the_same(namespace, rng):
    a = rng.standard_normal((3, 9))
    prepare = namespace.prepare or namespace.xp.asarray
    agree(to_numpy(entmax_alpha_gradient(prepare(a), 1.4)), entmax_alpha_gradient(a, 1.4), 9)
    alpha = np.array([1.1, 1.5, 2.0])
    agree(to_numpy(entmax_alpha_gradient(prepare(a), prepare(alpha))), entmax_alpha_gradient(a, alpha), 9)


def test_float16_is_computed_in_float32(rng):
    a = rng.standard_normal((3, 9)).astype(np.float16)
    got, want = entmax_alpha_gradient(a), entmax_alpha_gradient(a.astype(np.float64))
    assert got.dtype == np.float16
    assert np.max(np.abs(got - want)) <= ROUNDING(np.float32, 9) + float(np.finfo(np.float16).eps)


@pytest.mark.peers
def test_the_gradient_agrees_with_the_package_of_its_authors(rng):
    torch = pytest.importorskip("torch", reason="torch is not installed (extra: peers)")
    peer = pytest.importorskip("entmax", reason="entmax is not installed (extra: peers)")
    a, weights = rng.standard_normal(20), rng.standard_normal(20)
    for value in (1.3, 1.5, 1.8):
        alpha = torch.tensor(value, dtype=torch.float64, requires_grad=True)
        p = peer.entmax_bisect(torch.asarray(a), alpha, dim=-1, n_iter=100)
        (got,) = torch.autograd.grad(torch.sum(p * torch.asarray(weights)), alpha)
        agree(np.asarray([weights @ entmax_alpha_gradient(a, value)]), [got.item()], 400)
