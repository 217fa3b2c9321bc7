"""Random directions: what is normal, what is orthogonal, how long they are, and where randomness comes from."""

import math

import numpy as np
import pytest

from factorattn.factor import hadamard_gaussian, orthogonal_gaussian
from factorattn.factor.directions import DIRECTIONS
from factorattn.testing.tolerance import CHANCE, ROUNDING

every_draw = pytest.mark.parametrize("draw", DIRECTIONS.values(), ids=DIRECTIONS.keys())


def drawn(draw, draws, r, d, seed=0, **options):
    rng = np.random.default_rng(seed)
    return np.stack([draw(r, d, rng=rng, **options) for _ in range(draws)])


@every_draw
@pytest.mark.parametrize(("r", "d"), [(1, 1), (1, 5), (3, 4), (7, 4), (12, 5), (2, 0)])
def test_there_are_r_rows_of_size_d(draw, r, d):
    omega = draw(r, d, rng=0)
    assert omega.shape == (r, d)
    assert omega.dtype == np.float64


@every_draw
@pytest.mark.parametrize(("r", "d"), [(3, 4), (7, 4), (12, 5)])
def test_constant_length_is_the_root_of_d(draw, r, d):
    lengths = np.linalg.norm(draw(r, d, rng=0, length="constant"), axis=-1)
    np.testing.assert_allclose(lengths, math.sqrt(d), rtol=ROUNDING("float64", d))


@every_draw
@pytest.mark.parametrize("length", ["normal", "constant"])
@pytest.mark.parametrize("d", [1, 4, 8])
def test_mean_and_covariance_are_those_of_a_normal_vector(draw, length, d):
    """Of the first row and of the second, by themselves; for Hadamard products where d is a power of two."""
    w = drawn(draw, 4000, 2, d, length=length)
    for row in range(2):
        for a in range(d):
            assert abs(np.mean(w[:, row, a])) <= CHANCE(w[:, row, a])
            for b in range(a + 1):
                products = w[:, row, a] * w[:, row, b]
                assert abs(np.mean(products) - (a == b)) <= CHANCE(products) + ROUNDING("float64", d)


@every_draw
def test_normal_lengths_are_those_of_normal_vectors(draw):
    lengths, d = np.linalg.norm(drawn(draw, 5000, 3, 4), axis=-1), 4
    mean = math.sqrt(2) * math.gamma((d + 1) / 2) / math.gamma(d / 2)  # of the chi distribution
    for place in range(3):
        row = lengths[:, place]
        for power, want in ((1, mean), (2, d), (3, mean * (d + 1)), (4, d * (d + 2))):
            assert abs(np.mean(row**power) - want) <= CHANCE(row**power)


@every_draw
def test_rng_and_length_are_checked(draw):
    with pytest.raises(ValueError, match="length must be 'normal' or 'constant', got 'long'"):
        draw(3, 4, length="long")
    with pytest.raises(TypeError, match="rng must be a non-negative integer"):
        draw(3, 4, rng="seed")


@every_draw
def test_the_same_seed_draws_the_same_and_another_does_not(draw):
    one, same, other = (draw(6, 4, rng=seed) for seed in (7, 7, 8))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


@every_draw
def test_a_generator_moves_on_and_its_first_draw_is_that_of_its_seed(draw):
    rng = np.random.default_rng(7)
    first, second = draw(6, 4, rng=rng), draw(6, 4, rng=rng)
    np.testing.assert_array_equal(first, draw(6, 4, rng=7))
    assert not np.array_equal(first, second)


@every_draw
def test_without_a_seed_every_draw_is_another(draw):
    assert not np.array_equal(draw(3, 4), draw(3, 4))


@every_draw
def test_the_global_state_of_numpy_is_left_alone(draw):
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    draw(3, 4)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


class TestHadamardGaussian:
    @pytest.mark.parametrize(("r", "d"), [(1, 1), (2, 2), (3, 8), (8, 8), (20, 8), (16, 16)])
    def test_rows_are_orthogonal_within_blocks_of_a_power_of_two(self, r, d):
        omega = hadamard_gaussian(r, d, rng=0)
        for start in range(0, r, d):
            block = omega[start : start + d]
            gram = block @ block.T
            outside = gram - np.diag(np.diagonal(gram))
            assert np.max(np.abs(outside)) <= ROUNDING("float64", d) * np.max(np.diagonal(gram))

    def test_a_block_is_a_product_of_hadamard_matrices_and_signs(self):
        """H D is a matrix of signs over sqrt(d); two of them make multiples of 1/d, three of 1/d^(3/2)."""
        entries = hadamard_gaussian(4, 4, rng=0, length="constant") * 4**1.5 / 2
        np.testing.assert_allclose(entries, np.round(entries), atol=ROUNDING("float64", 4))
        assert np.all(np.round(entries) % 2 == 0)

    def test_for_other_sizes_columns_are_cut_and_rows_put_back_to_length(self):
        cut, whole = (hadamard_gaussian(6, d, rng=3, length="constant") for d in (5, 8))
        want = whole[:, :5] / np.linalg.norm(whole[:, :5], axis=1)[:, None] * math.sqrt(5)
        np.testing.assert_allclose(cut, want, rtol=ROUNDING("float64", 8))


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
        omega = drawn(orthogonal_gaussian, 4000, 4, 2)
        products = np.sum(omega[:, 0] * omega[:, 2], axis=-1)
        assert abs(np.mean(products)) <= CHANCE(products)
        assert abs(np.mean(products**2) - 2) <= CHANCE(products**2)  # E (w . w')^2 = d

    def test_lengths_of_a_block_are_independent_of_one_another(self):
        square = np.sum(drawn(orthogonal_gaussian, 5000, 3, 3) ** 2, axis=-1)
        products = square[:, 0] * square[:, 1]
        assert abs(np.mean(products) - 3 * 3) <= CHANCE(products)

    @pytest.mark.parametrize("row", [0, 1, 2, 3])
    def test_every_row_by_itself_is_standard_normal(self, row):
        w = drawn(orthogonal_gaussian, 8000, 4, 3)[:, row]
        for c in range(3):
            for power, want in ((1, 0), (2, 1), (3, 0), (4, 3)):
                assert abs(np.mean(w[:, c] ** power) - want) <= CHANCE(w[:, c] ** power)
        for a, b in ((0, 1), (0, 2), (1, 2)):
            assert abs(np.mean(w[:, a] * w[:, b])) <= CHANCE(w[:, a] * w[:, b])
            both = w[:, a] ** 2 * w[:, b] ** 2
            assert abs(np.mean(both) - 1) <= CHANCE(both)
