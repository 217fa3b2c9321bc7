"""Facts about the distribution `entmax`."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, distribution

from factorattn.distribution import entmax, entmax_alpha_gradient, softmax, sparsemax
from factorattn.testing import BOUND, ROUNDING

entries = st.floats(-3, 3) | st.sampled_from([0.0, 0.5, 1.0, -np.inf])
rows = st.lists(entries, min_size=1, max_size=6)


@settings(deadline=None, max_examples=40)
@given(rows, st.sampled_from([1.01, 1.1, 1.25, 1.5, 1.75, 2.0]))
def test_entmax_is_the_definition(a, alpha):
    agree(entmax(np.array(a), alpha), distribution.entmax(a, alpha=alpha), len(a))
    agree(entmax(np.array(a), np.asarray(alpha)), distribution.entmax(a, alpha=alpha), len(a))


@settings(deadline=None, max_examples=20)
@given(rows, st.sampled_from([2.5, 3.0, 4.0]))
def test_and_above_two_where_powers_of_weights_are_well_conditioned(a, alpha):
    got, want = entmax(np.array(a), alpha), np.array(distribution.entmax(a, alpha=alpha))
    agree(got ** (alpha - 1), want ** (alpha - 1), len(a))


def test_entmax_of_the_published_example():
    np.testing.assert_array_equal(np.round(entmax(np.array([-2.0, 0.0, 0.5])), 4), [0.0, 0.3260, 0.6740])


def test_the_default_is_alpha_15_and_all_algorithms_agree(rng):
    a = 2 * rng.standard_normal((50, 40))
    np.testing.assert_array_equal(entmax(a), entmax(a, 1.5))
    for alpha, exact in ((1.0, softmax(a)), (1.5, entmax(a)), (2.0, sparsemax(a))):
        agree(entmax(a, alpha), exact, 40)
        agree(entmax(a, np.asarray(alpha)), exact, 40)


def test_as_alpha_approaches_one_it_is_softmax(rng):
    a = rng.standard_normal((50, 40))
    for step in (1e-2, 1e-4, 1e-6, 1e-8):
        gap = np.max(np.abs(entmax(a, 1 + step) - softmax(a)))
        rate = max(np.max(np.abs(entmax_alpha_gradient(a, alpha))) for alpha in (1.0, 1 + step))
        assert gap <= BOUND(step * rate) + ROUNDING(np.float64, 40)


def test_as_alpha_grows_it_is_a_hard_choice():
    p = entmax(np.array([0.0, 0.1, 0.05]), 100.0)
    np.testing.assert_array_equal(p, [0.0, 1.0, 0.0])


def test_the_support_shrinks_as_alpha_grows(rng):
    a = rng.standard_normal((50, 40))
    sizes = [np.sum(entmax(a, alpha) > 0, axis=-1) for alpha in (1.0, 1.1, 1.25, 1.5, 1.75, 2.0, 3.0)]
    assert np.all(np.diff(sizes, axis=0) <= 0)
    assert np.all(sizes[0] == 40)


def test_what_is_maximised_is_at_its_maximum(rng):
    alpha, a = 1.3, rng.standard_normal(8)

    def objective(p):
        return p @ a + np.sum(p - p**alpha, axis=-1) / (alpha * (alpha - 1))

    others = rng.dirichlet(np.ones(8), size=2000)
    assert np.all(objective(others) <= objective(entmax(a, alpha)))


def test_a_lead_that_is_large_enough_takes_all_to_the_last_digit(rng):
    for alpha in np.concatenate([rng.uniform(1.05, 5, 300), [3.0, 10.0, 50.0]]):
        lead = 1.001 / (alpha - 1)
        for one in (alpha, np.asarray(alpha)):
            p = entmax(np.array([0.0, lead, -lead, -np.inf]), one)
            np.testing.assert_array_equal(p, [0.0, 1.0, 0.0, 0.0])


def test_an_alpha_for_each_head(rng):
    a, alpha = rng.standard_normal((3, 5, 7)), np.array([1.0, 1.5, 3.0])
    got = entmax(a, alpha[:, None])
    for head in range(3):
        agree(got[head], entmax(a[head], float(alpha[head])), 7)


def test_float32_rows_of_thousands_sum_to_one(rng):
    for alpha in (1.5, 1.2, 2.0):
        for size in (1e-6, 1e-3, 1.0):
            a = (size * rng.standard_normal((20, 5000))).astype(np.float32)
            p = entmax(a, alpha)
            assert np.max(np.abs(np.sum(p.astype(np.float64), axis=-1) - 1)) <= ROUNDING(np.float32, 1)
            want = entmax(a.astype(np.float64), alpha)
            assert np.max(np.abs(p - want)) <= ROUNDING(np.float32, 5000) * np.max(want)


def test_an_alpha_below_one_is_refused_or_gives_nan():
    with pytest.raises(ValueError, match=r"alpha must be at least 1, got 0\.9"):
        entmax(np.zeros(2), 0.9)
    with pytest.raises(ValueError, match="alpha must be finite"):
        entmax(np.zeros(2), np.inf)
    np.testing.assert_array_equal(np.isnan(entmax(np.zeros((2, 3)), np.array([0.5, 1.5]))), [[True] * 3, [False] * 3])


@pytest.mark.peers
@pytest.mark.parametrize("alpha", [1.05, 1.25, 1.5, 1.75, 2.0])
def test_entmax_agrees_with_the_package_of_its_authors(alpha, rng):
    torch = pytest.importorskip("torch", reason="torch is not installed (extra: peers)")
    peer = pytest.importorskip("entmax", reason="entmax is not installed (extra: peers)")
    for size in (0.1, 1.0, 10.0):
        a = size * rng.standard_normal((20, 300))
        agree(entmax(a, alpha), peer.entmax_bisect(torch.asarray(a), alpha, dim=-1, n_iter=100).numpy(), 300)
        if alpha == 1.5:
            agree(entmax(a), peer.entmax15(torch.asarray(a), dim=-1).numpy(), 300)
