"""Random features against what is proved of them in Choromanski et al. 2021: Lemmas 1 and 2, Theorem 2."""

import itertools
import math
from functools import cache

import numpy as np
import pytest
from libraries import LIBRARIES

from factorattn.factor import (
    hyperbolic_features,
    iid_gaussian,
    orthogonal_gaussian,
    positive_features,
    trigonometric_features,
)
from factorattn.factor.features import FEATURES
from factorattn.interpret.counting import counting
from factorattn.testing.tolerance import BOUND, CHANCE, ROUNDING

D = 4
X, Y = np.asarray([0.3, -0.2, 0.5, 0.1]), np.asarray([0.4, 0.1, -0.2, 0.3])
PAIRS = {"near": (X, Y), "same": (X, X), "opposite": (X, -X), "zero": (X, 0 * X), "apart": (X, Y - 0.7)}
every_pair = pytest.mark.parametrize(("x", "y"), PAIRS.values(), ids=PAIRS.keys())
every_feature = pytest.mark.parametrize("phi", FEATURES.values(), ids=FEATURES.keys())


@pytest.fixture(params=LIBRARIES)
def xp(request):
    return pytest.importorskip(request.param)


def estimates(phi, x, y, omega):
    """The estimate of exp(x . y) from each draw of omega (draws, r, d)."""
    (f, s), (g, t) = (phi(z[None, :], omega, xp=np) for z in (x, y))
    return np.sum(f * g, axis=-1)[:, 0] * np.exp(s + t)[..., 0, 0]


@cache
def independent(draws, r, seed=0):
    return np.random.default_rng(seed).standard_normal((draws, r, D))


@cache
def orthogonal(draws, r, d=D, seed=0):
    rng = np.random.default_rng(seed)
    return np.stack([orthogonal_gaussian(r, d, rng=rng) for _ in range(draws)])


def mean_squared_error(phi, x, y, m):
    """Lemma 2, for m independent directions."""
    kernel, plus, minus = math.exp(x @ y), math.exp((x + y) @ (x + y)), math.exp(-(x - y) @ (x - y))
    if phi is trigonometric_features:
        return plus / kernel**2 * (1 - minus) ** 2 / (2 * m)
    positive = plus * kernel**2 * (1 - 1 / plus) / m
    return positive if phi is positive_features else (1 - 1 / plus) / 2 * positive


@every_feature
@every_pair
@pytest.mark.parametrize("r", [1, 3, 8])
@pytest.mark.parametrize("draw", [independent, orthogonal])
def test_estimates_of_the_exponential_are_unbiased(phi, x, y, r, draw):
    got = estimates(phi, x, y, draw(5000, r))
    exact = math.exp(x @ y)
    assert abs(np.mean(got) - exact) <= CHANCE(got) + ROUNDING("float64", r) * exact


@every_feature
@every_pair
@pytest.mark.parametrize("m", [1, 5])
def test_the_mean_squared_error_of_independent_directions_is_that_of_lemma_2(phi, x, y, m):
    errors = (estimates(phi, x, y, independent(100_000 // m, m, seed=1)) - math.exp(x @ y)) ** 2
    want = mean_squared_error(phi, x, y, m)
    assert abs(np.mean(errors) - want) <= CHANCE(errors) + ROUNDING("float64", m)


@pytest.mark.parametrize(("x", "y"), [PAIRS["same"], PAIRS["opposite"]], ids=["same", "opposite"])
def test_the_lemma_of_the_one_feature_does_not_fit_the_other(x, y):
    """The samples of the test above are enough to tell the two closed forms apart."""
    for phi, other in itertools.permutations(FEATURES.values(), 2):
        if mean_squared_error(phi, x, y, 1) == mean_squared_error(other, x, y, 1):
            continue  # both vanish for x = -y
        errors = (estimates(phi, x, y, independent(100_000, 1, seed=1)) - math.exp(x @ y)) ** 2
        assert abs(np.mean(errors) - mean_squared_error(other, x, y, 1)) > CHANCE(errors)


@pytest.mark.parametrize(("m", "d"), [(4, 4), (6, 6), (8, 8)])
def test_orthogonal_directions_are_better_by_as_much_as_theorem_2_says(m, d):
    x = y = np.full(d, 0.25 / math.sqrt(d))  # short: squared errors of long vectors have too heavy a tail to average
    kernel, apart = math.exp(x @ y), math.exp(-(x @ x + y @ y) / 2)
    one_by_one = mean_squared_error(positive_features, x, y, m)
    bound = one_by_one - 2 * (m - 1) / (m * (d + 2)) * (kernel - apart) ** 2
    errors = (estimates(positive_features, x, y, orthogonal(20_000, m, d, seed=2)) - kernel) ** 2
    assert np.mean(errors) <= BOUND(bound) + CHANCE(errors)
    assert bound + CHANCE(errors) < one_by_one  # so that independent directions would not pass


def test_identical_vectors_have_no_trigonometric_error():
    """Lemma 2: it vanishes for x = y, because sin^2 + cos^2 = 1."""
    got = estimates(trigonometric_features, X, X, independent(100, 1))
    np.testing.assert_allclose(got, math.exp(X @ X), rtol=ROUNDING("float64", D), atol=0)


def test_hyperbolic_features_are_at_least_twice_as_good_as_positive_ones():
    """Lemma 2: their mean squared error is (1 - exp(-|x + y|^2)) / 2 times that of as many directions."""
    positive, hyperbolic = (
        (estimates(phi, X, Y, independent(50_000, 2, seed=3)) - math.exp(X @ Y)) ** 2
        for phi in (positive_features, hyperbolic_features)
    )
    assert 2 * np.mean(hyperbolic) <= np.mean(positive) + CHANCE(2 * hyperbolic - positive)


@pytest.mark.parametrize("draw", [iid_gaussian, orthogonal_gaussian])
@every_pair
def test_directions_of_constant_length_estimate_the_regularized_kernel_which_is_no_larger(draw, x, y):
    """On the sphere of radius sqrt(d) exp(omega . z) has the mean 0F1(d / 2; d |z|^2 / 4), term by term below exp."""
    rng, z = np.random.default_rng(5), (x + y) @ (x + y)
    got = estimates(positive_features, x, y, np.stack([draw(3, D, rng=rng, length="constant") for _ in range(5000)]))
    terms = [(D * z / 4) ** k / (math.factorial(k) * math.prod(D / 2 + i for i in range(k))) for k in range(30)]
    want = math.exp(-(x @ x + y @ y) / 2) * math.fsum(terms)
    assert abs(np.mean(got) - want) <= CHANCE(got) + ROUNDING("float64", 30) * want
    assert want <= BOUND(math.exp(x @ y))


@pytest.mark.parametrize("phi", [positive_features, hyperbolic_features])
def test_opposite_vectors_have_no_positive_error(phi):
    """Lemma 2: it vanishes for x = -y, because the exponentials cancel."""
    got = estimates(phi, X, -X, independent(100, 1))
    np.testing.assert_allclose(got, math.exp(-(X @ X)), rtol=ROUNDING("float64", D), atol=0)


@every_feature
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_features_are_those_of_the_formula(xp, phi, dtype):
    rng = np.random.default_rng(0)
    x, omega = rng.standard_normal((2, 5, D)).astype(dtype), rng.standard_normal((6, D)).astype(dtype)
    f, s = (np.asarray(part) for part in phi(xp.asarray(x), xp.asarray(omega), xp=xp))
    assert f.dtype == s.dtype == dtype
    assert s.shape == (2, 5, 1)
    for at in np.ndindex(2, 5):
        z = [math.fsum(float(a) * float(b) for a, b in zip(x[at], row, strict=True)) for row in omega]
        half = math.fsum(float(a) ** 2 for a in x[at]) / 2
        if phi is positive_features:
            want = [math.exp(a - half) / math.sqrt(6) for a in z]
        elif phi is hyperbolic_features:
            want = [math.exp(a - half) / math.sqrt(12) for a in (*z, *(-a for a in z))]
        else:
            want = [math.exp(half) / math.sqrt(6) * part(a) for part in (math.sin, math.cos) for a in z]
        got = f[at].astype("float64") * math.exp(float(s[at][0]))
        assert np.max(np.abs(got - want)) <= ROUNDING(dtype, D) * np.max(np.abs(want)) * max(map(abs, [*z, half, 1.0]))


def test_positive_features_lie_between_zero_and_one_over_the_root_of_their_number(xp):
    rng = np.random.default_rng(0)
    f, _ = positive_features(xp.asarray(rng.standard_normal((50, D))), xp.asarray(rng.standard_normal((9, D))), xp=xp)
    f = np.asarray(f)
    assert np.all(f > 0)
    np.testing.assert_array_equal(np.max(f, axis=-1), 9**-0.5)


@every_feature
@pytest.mark.parametrize("size", [1e3, 1e15])
def test_features_of_large_vectors_stay_in_range_because_the_log_scale_is_apart(phi, size):
    x, omega = size * np.eye(D, dtype="float32"), np.random.default_rng(0).standard_normal((8, D)).astype("float32")
    f, s = phi(x, omega, xp=np)
    assert np.all(np.isfinite(f))
    assert np.all(np.isfinite(s))
    assert np.all(np.max(np.abs(f), axis=-1) > 0)


@every_feature
def test_counting_gives_the_same_shapes(phi):
    counts = counting()
    got = phi(counts.empty((2, 5, D)), counts.empty((6, D)), xp=counts)
    want = phi(np.ones((2, 5, D)), np.ones((6, D)), xp=np)
    assert [(x.shape, x.dtype) for x in got] == [(x.shape, x.dtype) for x in want]
