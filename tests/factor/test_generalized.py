"""Generalized features: functions of projections, number by number, and of any size."""

import math

import numpy as np
import pytest
from libraries import LIBRARIES

from factorattn.factor import generalized_features
from factorattn.factor.generalized import GENERALIZED
from factorattn.testing.tolerance import CHANCE, ROUNDING

BY_HAND = {
    "relu": lambda z: max(z, 0.0),
    "exp": math.exp,
    "sigmoid": lambda z: 1 / (1 + math.exp(-z)),
    "abs": abs,
    "cos": math.cos,
    "tanh": math.tanh,
    "identity": lambda z: z,
}
every_function = pytest.mark.parametrize("f", GENERALIZED)


@pytest.fixture(params=LIBRARIES)
def xp(request):
    return pytest.importorskip(request.param)


@every_function
@pytest.mark.parametrize("epsilon", [0.0, 0.25])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_features_are_those_of_the_formula(xp, f, epsilon, dtype):
    rng = np.random.default_rng(0)
    x, omega = rng.standard_normal((2, 5, 4)).astype(dtype), rng.standard_normal((6, 4)).astype(dtype)
    got, s = (np.asarray(part) for part in generalized_features(xp.asarray(x), xp.asarray(omega), f, epsilon, xp=xp))
    assert got.dtype == s.dtype == dtype
    assert got.shape == (2, 5, 6)
    assert s.shape == (2, 5, 1)
    for at in np.ndindex(2, 5, 6):
        z = math.fsum(float(a) * float(b) for a, b in zip(x[at[:2]], omega[at[2]], strict=True))
        want = (BY_HAND[f](z) + epsilon) / math.sqrt(6)
        size = max(abs(want), math.exp(abs(z)) if f == "exp" else 1.0)
        assert abs(float(got[at]) * math.exp(float(s[at[:2]][0])) - want) <= ROUNDING(dtype, 4) * size


@every_function
@pytest.mark.parametrize("size", [1e3, 1e15])
def test_features_of_large_vectors_stay_in_range(f, size):
    x, omega = size * np.eye(4, dtype="float32"), np.random.default_rng(0).standard_normal((8, 4)).astype("float32")
    got, s = generalized_features(x, omega, f, 1e-3, xp=np)
    assert np.all(np.isfinite(got))
    assert np.all(np.isfinite(s))
    assert np.all(np.max(np.abs(got), axis=-1) > 0)


def test_an_exponential_of_small_numbers_keeps_its_epsilon():
    got, s = generalized_features(np.full((1, 1), -800.0), np.ones((1, 1)), "exp", 0.001, xp=np)
    np.testing.assert_array_equal(got * np.exp(s), [[0.001]])


@pytest.mark.parametrize("f", ["relu", "abs"])
def test_rectified_features_estimate_the_arc_cosine_kernel_of_order_one(f):
    """E relu(w . x) relu(w . y) = |x| |y| (sin t + (pi - t) cos t) / 2 pi at angle t (Cho and Saul 2009)."""
    x, y = np.array([1.0, 0.5, -0.5]), np.array([0.5, -1.0, 0.25])
    w = np.random.default_rng(0).standard_normal((100_000, 3))
    products = GENERALIZED[f](w @ x, np) * GENERALIZED[f](w @ y, np)
    length = math.sqrt(x @ x) * math.sqrt(y @ y)

    def kernel(angle):
        return length * (math.sin(angle) + (math.pi - angle) * math.cos(angle)) / (2 * math.pi)

    angle = math.acos(x @ y / length)
    # |z| = relu(z) + relu(-z): four products, two at this angle and two at that of the opposite vector
    want = kernel(angle) if f == "relu" else 2 * kernel(angle) + 2 * kernel(math.pi - angle)
    assert abs(np.mean(products) - want) <= CHANCE(products)
