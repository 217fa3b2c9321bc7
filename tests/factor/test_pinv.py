"""The iterated pseudo-inverse: its steps, its order, its limit, and that matrices of a stack are strangers."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from libraries import LIBRARIES
from oracles import agree, draw, lists, seeds
from oracles.factor import pinv as oracle
from scipy.linalg import hilbert

from factorattn.factor import iterative_pinv
from factorattn.factor.pinv import pseudo_inverse
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


def spread(p, q, values, seed=0):
    """A matrix with these singular values, and its pseudo-inverse."""
    rng = np.random.default_rng(seed)
    values = np.asarray(values)
    u, v = (np.linalg.qr(rng.standard_normal((n, values.size)))[0] for n in (p, q))
    inverses = np.where(values > 0, 1 / np.where(values > 0, values, 1), 0)
    return u * values @ v.T, v * inverses @ u.T


@settings(max_examples=40, deadline=None)
@given(p=st.integers(1, 5), q=st.integers(1, 5), order=st.integers(2, 5), iterations=st.integers(0, 4), seed=seeds)
def test_it_is_the_iteration_of_the_papers(p, q, order, iterations, seed):
    (a,) = draw(seed, (p, q))
    got = pseudo_inverse(a, order=order, iterations=iterations)
    assert got.iterations == iterations
    agree(got.inverse, oracle.pseudo_inverse(*lists(a), order, iterations), p * q * order)


@settings(max_examples=30, deadline=None)
@given(p=st.integers(1, 5), q=st.integers(1, 5), iterations=st.integers(0, 4), seed=seeds)
def test_razavis_iteration_is_that_of_the_paper(p, q, iterations, seed):
    (a,) = draw(seed, (p, q))
    agree(iterative_pinv(a, iterations, xp=np), oracle.razavi(*lists(a), iterations), p * q * 4)


@pytest.mark.parametrize("order", [2, 3, 4])
def test_a_step_raises_the_residual_to_its_power(order):
    """E becomes E^m, and by the last product 2 E - E^2."""
    a = np.random.default_rng(0).standard_normal((5, 5))
    z = [iterative(a, order, t) for t in (3, 4)]
    before, after = (np.eye(5) - a @ x for x in z)
    size = np.max(np.abs(a)) * max(np.max(np.abs(x)) for x in z)
    assert np.max(np.abs(after - np.linalg.matrix_power(before, order))) <= ROUNDING("float64", 25) * max(1.0, size)
    got = pseudo_inverse(a, order=order, iterations=4).inverse
    want = 2 * after - after @ after  # of Z A Z, with A Z = I - E
    assert np.max(np.abs(np.eye(5) - a @ got - want)) <= ROUNDING("float64", 25) * max(1.0, size)


def iterative(a, order, steps):
    """The iterate itself, before the last product."""
    z = np.asarray(oracle.start(a.tolist()))
    for _ in range(steps):
        e = np.eye(a.shape[0]) - a @ z
        z = z @ sum(np.linalg.matrix_power(e, k) for k in range(order))
    return z


@pytest.mark.parametrize("order", [2, 3, 5])
@pytest.mark.parametrize("shape", [(6, 6), (7, 4), (4, 7)])
def test_singular_values_are_filtered_as_the_closed_form_says(xp, order, shape):
    values = np.geomspace(1, 1e-3, 4)
    a, _ = spread(*shape, values)
    c = np.max(np.sum(np.abs(a), axis=0)) * np.max(np.sum(np.abs(a), axis=1))
    for steps in (0, 2, 5):
        got = np.asarray(pseudo_inverse(xp.asarray(a), order=order, iterations=steps).inverse)
        kept = 1 - (1 - values**2 / c) ** (order**steps)
        u, s, vt = np.linalg.svd(a, full_matrices=False)
        filtered = np.concatenate([kept**2 / values, np.zeros(s.size - 4)])
        exact = (vt.T * filtered) @ u.T
        allowed = ROUNDING("float64", a.size) * values[0] / values[-1]
        assert np.max(np.abs(got - exact)) <= allowed * max(np.max(np.abs(exact)), 1.0)


class TestPseudoInverse:
    @pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
    @pytest.mark.parametrize("shape", [(6, 6), (8, 5), (5, 8), (1, 1), (1, 5), (5, 1)])
    @pytest.mark.parametrize("order", [2, 3])
    def test_it_is_that_of_numpy(self, xp, shape, dtype, order):
        rng = np.random.default_rng(1)
        a = rng.standard_normal(shape) + (1j * rng.standard_normal(shape) if "complex" in dtype else 0)
        a = a.astype(dtype)
        got = pseudo_inverse(xp.asarray(a), order=order)
        want = np.linalg.pinv(a.astype("complex128"))
        allowed = ROUNDING(dtype, a.size) * np.linalg.cond(a)
        assert np.asarray(got.inverse).dtype == dtype
        assert np.max(np.abs(np.asarray(got.inverse) - want)) <= np.max(np.abs(want)) * allowed
        assert float(got.residual) <= allowed

    @pytest.mark.parametrize("order", [2, 3])
    @pytest.mark.parametrize(("shape", "rank"), [((6, 6), 3), ((9, 5), 4), ((5, 9), 2), ((4, 4), 1)])
    @pytest.mark.parametrize("smallest", [1.0, 1e-2, 1e-4])
    def test_the_four_conditions_of_penrose_hold_at_any_rank(self, order, shape, rank, smallest):
        a, want = spread(*shape, np.geomspace(1, smallest, rank) if rank > 1 else [1.0])
        z = pseudo_inverse(a, order=order, tolerance=smallest / 2).inverse
        allowed = ROUNDING("float64", a.size) / smallest  # relative to |A| = 1, or to |Z| = 1 / smallest
        assert np.max(np.abs(a @ z @ a - a)) <= allowed
        assert np.max(np.abs(z @ a @ z - z)) <= allowed / smallest
        assert np.max(np.abs(a @ z - (a @ z).T)) <= allowed
        assert np.max(np.abs(z @ a - (z @ a).T)) <= allowed
        assert np.max(np.abs(z - want)) <= allowed / smallest

    @pytest.mark.parametrize("order", [2, 3])
    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_by_default_too_rounding_beside_the_range_of_a_grows_no_faster_than_the_steps_multiply(self, order, dtype):
        a, want = spread(6, 5, [1.0, 0.5, 0.1])
        got = pseudo_inverse(a.astype(dtype), order=order)
        growth = order**got.iterations * float(np.finfo(dtype).eps)
        assert np.max(np.abs(got.inverse - want)) <= np.max(np.abs(want)) * ROUNDING(dtype, 30) * 10 * growth

    def test_without_the_last_product_rounding_in_the_null_spaces_grows_with_every_step(self):
        """Soderstrom and Stewart 1974: what the last product is for."""
        a, _ = spread(8, 8, [1.0, 0.5, 1e-3])
        raw = iterative(a, 2, 60)
        kept = pseudo_inverse(a, iterations=60).inverse
        error = [np.max(np.abs(z @ a @ z - z)) for z in (raw, kept)]
        assert error[1] <= ROUNDING("float64", 64) * 1e3**2 < error[0]

    @pytest.mark.parametrize("tolerance", [1e-1, 1e-3, 1e-6])
    @pytest.mark.parametrize("order", [2, 3])
    def test_singular_values_from_the_tolerance_on_are_inverted(self, tolerance, order):
        a, want = spread(6, 4, np.geomspace(1, tolerance, 4))
        got = pseudo_inverse(a, tolerance=tolerance, order=order)
        assert np.max(np.abs(got.inverse - want)) <= np.max(np.abs(want)) * ROUNDING("float64", 24) / tolerance
        short = pseudo_inverse(a, iterations=got.iterations // 2, order=order)
        assert np.max(np.abs(short.inverse - want)) > np.max(np.abs(want)) * ROUNDING("float64", 24) / tolerance
        assert short.residual > got.residual

    def test_the_residual_tells_that_steps_were_too_few(self):
        a, _ = spread(6, 6, [1.0, 1.0, 1e-2])
        few, enough = (pseudo_inverse(a, iterations=t) for t in (4, 25))
        missing = np.linalg.norm(a - a @ few.inverse @ a) / np.linalg.norm(a)
        assert abs(few.residual - missing) <= ROUNDING("float64", 36)
        assert enough.residual <= ROUNDING("float64", 36) * 1e2 < few.residual

    def test_the_third_order_takes_the_fewest_products(self):
        products = {m: m * pseudo_inverse(np.eye(4), order=m, tolerance=1e-5).iterations for m in range(2, 9)}
        assert min(products, key=products.__getitem__) == 3

    @pytest.mark.parametrize(
        ("scale", "dtype"), [(1e-30, "float32"), (1e30, "float32"), (1e-150, "float64"), (1e150, "float64")]
    )
    def test_it_is_the_same_at_any_scale(self, scale, dtype):
        a = np.random.default_rng(2).standard_normal((5, 4)).astype(dtype)
        one, other = pseudo_inverse(a), pseudo_inverse(a * np.asarray(scale, dtype))
        error = np.abs(other.inverse * np.asarray(scale, dtype) - one.inverse)
        assert np.max(error) <= np.max(np.abs(one.inverse)) * ROUNDING(dtype, 20) * np.linalg.cond(a)

    def test_of_a_stack_each_matrix_is_a_stranger_to_the_others(self, xp):
        stack = np.random.default_rng(3).standard_normal((2, 3, 4, 3)) * np.geomspace(1e-9, 1e9, 6).reshape(2, 3, 1, 1)
        got = pseudo_inverse(xp.asarray(stack))
        assert tuple(got.residual.shape) == (2, 3)
        for at in np.ndindex(2, 3):
            own = pseudo_inverse(stack[at]).inverse
            assert np.max(np.abs(np.asarray(got.inverse)[at] - own)) <= np.max(np.abs(own)) * ROUNDING("float64", 12)

    @pytest.mark.parametrize("shape", [(3, 4), (2, 3, 3), (1, 1), (0, 4), (4, 0), (2, 0, 0)])
    def test_of_zeros_or_nothing_it_is_zero(self, shape):
        got = pseudo_inverse(np.zeros(shape))
        np.testing.assert_array_equal(got.inverse, np.zeros((*shape[:-2], shape[-1], shape[-2])))
        np.testing.assert_array_equal(got.residual, np.zeros(shape[:-2]))

    def test_of_a_hilbert_matrix_the_residual_is_small_and_the_inverse_is_not_refined_below_the_tolerance(self):
        got = pseudo_inverse(hilbert(10), tolerance=1e-4)
        s = np.linalg.svd(got.inverse, compute_uv=False)
        assert got.residual <= 1e-4
        assert s[0] <= BOUND(1e4 * math.log(2**52) / np.linalg.norm(hilbert(10), 2))

    def test_float16_is_inverted_in_float32(self):
        assert pseudo_inverse(np.eye(2, dtype="float16")).inverse.dtype == np.float32

    def test_cost_is_known_before_values_are(self):
        counts = counting()
        a = counts.empty((4, 4))
        counts.tally.start()
        got = pseudo_inverse(a, order=3, iterations=7)
        assert got.inverse.shape == (4, 4)
        products = counts.tally.by_kind["contract"] // (2 * 4**3)
        assert products == 3 * 7 + 2 + 2  # the steps, Z A Z, and A Z A of the residual

    def test_bad_input_is_refused(self):
        with pytest.raises(ValueError, match="order must be at least 2, got 1"):
            pseudo_inverse(np.eye(2), order=1)
        with pytest.raises(ValueError, match="iterations must be at least 0, got -1"):
            pseudo_inverse(np.eye(2), iterations=-1)
        with pytest.raises(ValueError, match=r"tolerance must be below 1, got 1\.0"):
            pseudo_inverse(np.eye(2), tolerance=1.0)
        with pytest.raises(ValueError, match="tolerance must be positive, got 0"):
            pseudo_inverse(np.eye(2), tolerance=0)
        with pytest.raises(ValueError, match="give one of the two"):
            pseudo_inverse(np.eye(2), tolerance=0.1, iterations=3)
        with pytest.raises(ValueError, match="a must be finite, but holds nan"):
            pseudo_inverse(np.asarray([[np.nan, 1.0]]))
        with pytest.raises(ValueError, match=r"a needs shape \(..., p, q\), got \(3,\)"):
            pseudo_inverse(np.ones(3))
        with pytest.raises(TypeError, match="a must be an array"):
            pseudo_inverse([[1.0]])
