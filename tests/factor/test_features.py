"""Random features against what is proved of them in Choromanski et al. 2021: Lemmas 1 and 2, Theorem 2."""

import math
from functools import cache

import numpy as np
import pytest
from libraries import LIBRARIES

from factorattn.factor import orthogonal_gaussian, positive_features, trigonometric_features
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
    return plus * kernel**2 * (1 - 1 / plus) / m


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
    for phi, other in ((positive_features, trigonometric_features), (trigonometric_features, positive_features)):
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


def test_opposite_vectors_have_no_positive_error():
    """Lemma 2: it vanishes for x = -y, because the exponentials cancel."""
    got = estimates(positive_features, X, -X, independent(100, 1))
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


class TestOrthogonalGaussian:
    @pytest.mark.parametrize(("r", "d"), [(1, 1), (1, 5), (3, 5), (5, 5), (6, 5), (12, 5), (7, 1)])
    def test_rows_are_orthogonal_within_blocks_of_d(self, r, d):
        omega = orthogonal_gaussian(r, d, rng=0)
        assert omega.shape == (r, d)
        assert omega.dtype == np.float64
        for start in range(0, r, d):
            block = omega[start : start + d]
            gram = block @ block.T
            outside = gram - np.diag(np.diagonal(gram))
            assert np.max(np.abs(outside)) <= ROUNDING("float64", d) * np.max(np.diagonal(gram))

    def test_blocks_are_independent_of_one_another(self):
        omega = orthogonal(4000, 4, 2)
        products = np.sum(omega[:, 0] * omega[:, 2], axis=-1)
        assert abs(np.mean(products)) <= CHANCE(products)
        assert abs(np.mean(products**2) - 2) <= CHANCE(products**2)  # E (w . w')^2 = d

    @pytest.mark.parametrize("d", [1, 2, 5])
    def test_lengths_are_those_of_normal_vectors(self, d):
        lengths = np.linalg.norm(orthogonal(5000, 3, d), axis=-1)
        mean = math.sqrt(2) * math.gamma((d + 1) / 2) / math.gamma(d / 2)  # of the chi distribution
        for place in range(3):
            row = lengths[:, place]
            for power, want in ((1, mean), (2, d), (3, mean * (d + 1)), (4, d * (d + 2))):
                assert abs(np.mean(row**power) - want) <= CHANCE(row**power)

    def test_lengths_of_a_block_are_independent_of_one_another(self):
        square = np.sum(orthogonal(5000, 3, 3) ** 2, axis=-1)
        products = square[:, 0] * square[:, 1]
        assert abs(np.mean(products) - 3 * 3) <= CHANCE(products)

    @pytest.mark.parametrize("row", [0, 1, 2, 3])
    def test_every_row_by_itself_is_standard_normal(self, row):
        w = orthogonal(8000, 4, 3)[:, row]
        for c in range(3):
            for power, want in ((1, 0), (2, 1), (3, 0), (4, 3)):
                assert abs(np.mean(w[:, c] ** power) - want) <= CHANCE(w[:, c] ** power)
        for a, b in ((0, 1), (0, 2), (1, 2)):
            assert abs(np.mean(w[:, a] * w[:, b])) <= CHANCE(w[:, a] * w[:, b])
            both = w[:, a] ** 2 * w[:, b] ** 2
            assert abs(np.mean(both) - 1) <= CHANCE(both)

    def test_the_same_seed_draws_the_same_and_another_does_not(self):
        one, same, other = (orthogonal_gaussian(6, 4, rng=seed) for seed in (7, 7, 8))
        np.testing.assert_array_equal(one, same)
        assert not np.any(one == other)

    def test_a_generator_moves_on_and_its_first_draw_is_that_of_its_seed(self):
        rng = np.random.default_rng(7)
        first, second = orthogonal_gaussian(6, 4, rng=rng), orthogonal_gaussian(6, 4, rng=rng)
        np.testing.assert_array_equal(first, orthogonal_gaussian(6, 4, rng=7))
        assert not np.any(first == second)

    def test_without_a_seed_every_draw_is_another(self):
        assert not np.any(orthogonal_gaussian(3, 4) == orthogonal_gaussian(3, 4))

    def test_the_global_state_of_numpy_is_left_alone(self):
        before = np.random.get_state()[1].copy()  # noqa: NPY002
        orthogonal_gaussian(3, 4)
        np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
