"""The ridge operator against exact fractions, and against what defines it."""

import numpy as np
import pytest
from oracles import continuous_softmax

from factorattn.factor.radial import gaussian_means, radial_grid
from factorattn.factor.ridge import ridge_operator, sequence_operator
from factorattn.testing import ROUNDING

TIMES = np.array([0.05, 0.2, 0.21, 0.4, 0.77, 1.0])


@pytest.mark.parametrize("rank", [1, 3, 6, 9])
@pytest.mark.parametrize("penalty", [1e-3, 1.0, 100.0])
def test_the_operator_is_the_exact_one(rank, penalty):
    widths = (0.1, 0.3)
    got = ridge_operator(TIMES, rank, widths, penalty)
    want = np.array(continuous_softmax.ridge(TIMES.tolist(), rank, widths, penalty))
    # How far the rounding of F moves G: by the norm of F over the penalty, and of G besides.
    f = np.linalg.norm(
        [[continuous_softmax.normal(t, c, s) for c, s in continuous_softmax.basis(rank, widths)] for t in TIMES], 2
    )
    moved = f * max(1.0, f / np.sqrt(penalty)) / penalty
    assert np.max(np.abs(got - want)) <= moved * ROUNDING(np.float64, rank)


def test_no_other_coefficients_cost_less(rng):
    v, b = rng.standard_normal((6, 3)), rng.standard_normal((9, 3))
    fitted = ridge_operator(TIMES, 9, (0.1, 0.3), 0.5).T @ v
    design = gaussian_means(TIMES, 0 * TIMES, *radial_grid(9, (0.1, 0.3)), xp=np)

    def cost(x):
        return np.sum((design @ x - v) ** 2) + 0.5 * np.sum(x**2)

    assert all(cost(fitted) < cost(fitted + step * b) for step in (1.0, 1e-3, -1e-3))


def test_a_large_penalty_leaves_nothing():
    g = ridge_operator(TIMES, 5, (0.2,), 1e12)
    assert np.max(np.abs(g)) <= 1 / (2 * np.sqrt(1e12))


def test_more_functions_than_times_go_through_the_values(rng):
    v = rng.standard_normal((6, 2))
    g = ridge_operator(TIMES, 30, (0.02, 0.05), 1e-14)
    design = gaussian_means(TIMES, 0 * TIMES, *radial_grid(30, (0.02, 0.05)), xp=np)
    # What is left of a value is penalty / (s^2 + penalty) of it, s the smallest singular value.
    left = 1e-14 / np.linalg.svd(design, compute_uv=False)[-1] ** 2
    assert np.max(np.abs(design @ (g.T @ v) - v)) <= np.linalg.norm(v) * (left + ROUNDING(np.float64, 30))


def test_a_sequence_is_at_equal_steps_up_to_one():
    want = ridge_operator(np.array([0.25, 0.5, 0.75, 1.0]), 3, (0.1,), 0.5)
    np.testing.assert_array_equal(sequence_operator(4, 3, (0.1,), 0.5), want)


def test_what_is_kept_cannot_be_written_to():
    first = sequence_operator(4, 3, (0.1,), 0.5)
    first[:] = 7.0
    assert not np.any(sequence_operator(4, 3, (0.1,), 0.5) == 7.0)


def test_no_values_need_no_fit():
    assert ridge_operator(np.zeros(0), 3, (0.1,), 0.5).shape == (0, 3)
