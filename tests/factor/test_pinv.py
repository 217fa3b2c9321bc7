"""The iterated pseudo-inverse: its steps, its order, its limit, and that matrices of a stack are strangers."""

import numpy as np
import pytest
from libraries import LIBRARIES

from factorattn.factor import iterative_pinv
from factorattn.interpret.counting import counting
from factorattn.testing.tolerance import BOUND, ROUNDING


@pytest.fixture(params=LIBRARIES)
def xp(request):
    return pytest.importorskip(request.param)


def inverse(xp, a, iterations):
    return np.asarray(iterative_pinv(xp.asarray(a), iterations, xp=xp))


def test_the_start_is_the_transpose_over_both_norms(xp):
    a = np.array([[1.0, -2.0], [3.0, 0.5]])
    np.testing.assert_allclose(inverse(xp, a, 0), a.T / (4 * 3.5), rtol=ROUNDING("float64", 2))


def test_a_step_turns_the_residual_e_into_three_quarters_of_its_cube_and_a_quarter_of_its_fourth_power(xp):
    a = np.random.default_rng(0).standard_normal((5, 5))
    before, after = (np.eye(5) - a @ inverse(xp, a, t) for t in (3, 4))
    want = (3 * before @ before @ before + before @ before @ before @ before) / 4
    size = np.max(np.abs(a)) * np.max(np.abs(inverse(xp, a, 4)))
    assert np.max(np.abs(after - want)) <= ROUNDING("float64", 25) * max(1.0, size)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(6, 6), (8, 5), (5, 8), (1, 1)])
def test_it_tends_to_the_pseudo_inverse(xp, shape, dtype):
    a = np.random.default_rng(1).standard_normal(shape).astype(dtype)
    want = np.linalg.pinv(a.astype("float64"))
    got = inverse(xp, a, 25)
    assert got.dtype == dtype
    assert np.max(np.abs(got - want)) <= np.max(np.abs(want)) * ROUNDING(dtype, a.size) * np.linalg.cond(a)


def test_rows_and_columns_of_zeros_stay_zero_and_do_no_harm(xp):
    a = np.random.default_rng(2).standard_normal((6, 6))
    a[2], a[:, 2] = 0, 0
    got, want = inverse(xp, a, 25), np.linalg.pinv(a)
    np.testing.assert_array_equal(got[2], np.zeros(6))
    np.testing.assert_array_equal(got[:, 2], np.zeros(6))
    rest = np.delete(np.delete(a, 2, axis=0), 2, axis=1)
    assert np.max(np.abs(got - want)) <= np.max(np.abs(want)) * ROUNDING("float64", 36) * np.linalg.cond(rest)


def test_of_zeros_it_is_zero(xp):
    np.testing.assert_array_equal(inverse(xp, np.zeros((2, 3, 3)), 6), np.zeros((2, 3, 3)))


def test_each_matrix_of_a_stack_has_a_start_of_its_own(xp):
    stack = np.random.default_rng(3).standard_normal((3, 4, 4)) * np.array([1.0, 1e3, 1e-3])[:, None, None]
    got = inverse(xp, stack, 4)
    for a, z in zip(stack, got, strict=True):
        own = inverse(xp, a, 4)
        assert np.max(np.abs(z - own)) <= np.max(np.abs(own)) * ROUNDING("float64", 16)


def test_the_start_leaves_a_residual_below_one(xp):
    """Of the singular values s of A, those of A Z_0 are s^2 / (|A|_1 |A|_inf), and |A|_2^2 <= |A|_1 |A|_inf."""
    for seed in range(20):
        a = np.random.default_rng(seed).standard_normal((5, 5))
        s = np.linalg.svd(np.eye(5) - a @ inverse(xp, a, 0), compute_uv=False)
        assert s[0] <= BOUND(1.0, length=25)


def test_counting_gives_the_same_shape():
    xp = counting()
    assert iterative_pinv(xp.empty((2, 5, 3)), 6, xp=xp).shape == (2, 3, 5)
