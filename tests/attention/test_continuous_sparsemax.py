"""Facts about continuous sparsemax attention: the support, the limits, and what is refused."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, continuous_sparsemax, draw, lists, seeds, sizes

import factorattn as fa
from factorattn.factor.ridge import ridge_operator
from factorattn.testing import ROUNDING

FORMS = fa.continuous_sparsemax_attention.record.forms
every_form = pytest.mark.parametrize("form", FORMS)
widths = st.lists(st.floats(0.1, 2), min_size=1, max_size=3)


@every_form
@settings(deadline=None)
@given(n=sizes, m=sizes, e=sizes, r=sizes, widths=widths, seed=seeds)
def test_continuous_sparsemax_attention_is_the_paper(form, n, m, e, r, widths, seed):
    mu, sigma, v, g = draw(seed, (n,), (n,), (m, e), (m, r))
    got = fa.continuous_sparsemax_attention(mu, sigma, v, g, widths=widths, form=form)
    want, added = (
        np.array(continuous_sparsemax.continuous_sparsemax_attention(*lists(mu, sigma, *arrays), widths=widths))
        for arrays in ((v, g), (abs(v), abs(g)))
    )
    size = np.max(added)  # rounding is relative to what is added up, which may cancel
    agree(got / size, want / size, m + r)


@every_form
def test_one_basis_function_by_hand(form):
    # A bell of deviation 1 under a parabola that reaches 1 to each side of its middle. x^2 phi integrates to
    # Phi - x phi, so that 3/4 int_-1^1 (1 - x^2) phi(x) dx = 3/4 (phi(1) + phi(-1)).
    sigma = math.sqrt(2 / 3)
    o = fa.continuous_sparsemax_attention(
        np.array([0.5]), np.array([sigma]), np.array([[1.0]]), np.array([[1.0]]), widths=1.0, form=form
    )
    np.testing.assert_allclose(o, [[1.5 * math.exp(-0.5) / math.sqrt(2 * math.pi)]], rtol=ROUNDING(np.float64, 1))


@every_form
def test_what_lies_outside_the_support_does_not_count(form):
    # Bells a hundredth wide, at 0 and 1, and a parabola that ends half way: the far one is met forty deviations away.
    reach = 0.5
    sigma = math.sqrt(2 * reach**3 / 3)
    mu, v, g = np.array([0.1]), np.array([[1.0, 0.0], [0.0, 1.0]]), np.eye(2)
    o = fa.continuous_sparsemax_attention(mu, np.array([sigma]), v, g, widths=0.01, form=form)
    assert o[0, 0] > 0
    assert o[0, 1] == 0


@every_form
def test_a_wide_parabola_is_its_top_everywhere(form, rng):
    # Wide against the signal, the density is 3 / (4 a) at all of it, up to a relative error of (1 / a)^2.
    v, reach = rng.standard_normal((20, 3)), 1e9
    sigma = math.sqrt(2 * reach**3 / 3)
    o = fa.continuous_sparsemax_attention(np.array([0.5]), np.array([sigma]), v, form=form)
    b = ridge_operator(np.arange(1, 21) / 20, 20, (0.1, 0.5), 0.01).T @ v
    want = b.sum(axis=0) * 0.75 / reach
    np.testing.assert_allclose(o[0], want, rtol=0, atol=np.max(np.abs(b)) / reach * ROUNDING(np.float64, 20))


@every_form
def test_a_point_reads_the_fitted_value_there(form, rng):
    # With more functions than values and hardly a penalty, the fit goes through the values.
    m, times = 6, np.arange(1, 7) / 6
    v = rng.standard_normal((m, 2))
    o = fa.continuous_sparsemax_attention(times, 0 * times, v, rank=12, widths=(0.1, 0.2), ridge=1e-13, form=form)
    assert np.max(np.abs(o - v)) <= np.max(np.abs(v)) * math.sqrt(ROUNDING(np.float64, m))


@every_form
def test_the_sign_of_sigma_does_not_matter(form, rng):
    mu, sigma, v = rng.standard_normal(5), rng.standard_normal(5), rng.standard_normal((9, 2))
    plus, minus = (fa.continuous_sparsemax_attention(mu, s, v, form=form) for s in (sigma, -sigma))
    np.testing.assert_array_equal(plus, minus)


@every_form
def test_zero_rows_of_the_operator_leave_values_out(form, rng):
    # Padding: values after the sixth do not exist. The operator is that of six times, with rows of zeros.
    mu, sigma, v = rng.standard_normal(5), rng.standard_normal(5), rng.standard_normal((9, 2))
    g = ridge_operator(np.arange(1, 7) / 6, 8, (0.1, 0.5), 0.01)
    padded = np.concatenate([g, np.zeros((3, 8))])
    got = fa.continuous_sparsemax_attention(mu, sigma, v, padded, form=form)
    want = fa.continuous_sparsemax_attention(mu, sigma, v[:6], rank=8, form=form)
    np.testing.assert_allclose(got, want, rtol=0, atol=np.max(np.abs(want)) * ROUNDING(np.float64, 9 * 8))


def test_cost_is_linear_in_both_lengths():
    sizes = {"e": 64, "r": 64}
    small, large = (fa.cost(fa.continuous_sparsemax_attention, {**sizes, "n": n, "m": n}) for n in (2**13, 2**15))
    assert large.flops <= 4 * small.flops
    assert large.peak <= 4 * small.peak


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"mask": np.ones((1, 1), dtype=bool)}, ValueError, "all queries share one fitted function"),
        ({"causal": True}, ValueError, "values of all times"),
        ({"widths": ()}, ValueError, "at least, got none"),
        ({"widths": (0.1, -1.0)}, ValueError, "widths must be positive, got -1.0"),
        ({"widths": "wide"}, TypeError, "widths must be a real number"),
        ({"ridge": 0.0}, ValueError, "ridge must be positive"),
        ({"ridge": 1.0, "g": np.ones((6, 2))}, ValueError, "nothing is left to fit"),
        ({"rank": 3, "g": np.ones((6, 2))}, ValueError, "axis 'r' is 2"),
        ({"sigma": np.ones(4)}, ValueError, "axis 'n' is 3"),
    ],
)
def test_nonsense_is_refused_by_name(options, error, words):
    arrays = {"mu": np.ones(3), "sigma": np.ones(3), "v": np.ones((6, 2))}
    with pytest.raises(error, match=words):
        fa.continuous_sparsemax_attention(**{**arrays, **options})
