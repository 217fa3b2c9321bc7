"""Butterfly matrices, above all those of fast transforms, are recovered from their dense form."""

import math

import numpy as np
import pytest
import scipy.fft
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, draw, lists, seeds
from oracles.factor import butterfly as oracle

from factorattn.factor.factored import Butterfly, Stage
from factorattn.factor.structured import butterfly, monarch
from factorattn.factor.structured.butterfly import digit_reversal
from factorattn.testing import BOUND, ROUNDING

small = st.integers(1, 3)
digits = st.lists(st.tuples(small, small), min_size=1, max_size=3)
REVERSED = {"permutation": "bit reversal"}


def recovered(f, a):
    a = np.asarray(a)
    size = np.linalg.norm(a)
    assert f.error_bound <= ROUNDING("float64", a.size) * size
    assert np.linalg.norm(f.to_dense() - a) <= ROUNDING("float64", a.size) * size


def lost(f, a):
    return f.error_bound > ROUNDING("float64", a.size) * np.linalg.norm(a)


def improved(f, a):
    """The least error over one stage after the other, all others held, by least squares."""
    dense = [stage.to_dense() for stage in f.stages]
    for at in range(len(dense)):
        left, right = np.eye(dense[0].shape[0]), np.eye(dense[-1].shape[1])
        for stage in dense[:at]:
            left = left @ stage
        for stage in dense[:at:-1]:
            right = stage @ right
        support = np.argwhere(Stage(np.ones_like(f.stages[at].blocks)).to_dense())
        design = np.stack([np.outer(left[:, i], right[j]).reshape(-1) for i, j in support], axis=-1)
        values = np.linalg.lstsq(design, a.reshape(-1), rcond=None)[0]
        dense[at] = np.zeros_like(dense[at])
        dense[at][tuple(support.T)] = values
    return float(np.linalg.norm(design @ values - a.reshape(-1)))


@given(radices=digits, seed=seeds)
@settings(deadline=None, max_examples=40)
def test_it_is_the_oracle(radices, seed):
    rows, columns = zip(*radices, strict=True)
    (a,) = draw(seed, (math.prod(rows), math.prod(columns)))
    got = butterfly(a, radices=tuple(radices))
    agree(got.to_dense(), oracle.project(*lists(a), rows, columns), a.size**2)


@given(g=small, h=small, x=small, y=small, seed=seeds)
@settings(deadline=None)
def test_a_stage_is_the_oracles(g, h, x, y, seed):
    (blocks,) = draw(seed, (g, h, x, y))
    want = np.asarray(oracle.stage_matrix(blocks.tolist()))
    f = Stage(blocks)
    np.testing.assert_array_equal(f.to_dense(), want)
    np.testing.assert_array_equal(f.mT.to_dense(), want.T)
    agree(f @ np.eye(want.shape[1]), want, y)
    np.testing.assert_array_equal(f.rows(np.arange(want.shape[0])), want)


@given(radices=digits, seed=seeds)
@settings(deadline=None, max_examples=40)
def test_products_of_stages_are_recovered(radices, seed):
    rows, columns = zip(*radices, strict=True)
    stages = []
    for at, (x, y) in enumerate(radices):
        shape = (math.prod(columns[:at]), math.prod(rows[at + 1 :]), x, y)
        stages.append(Stage(draw(seed + at, shape)[0]))
    a = Butterfly(tuple(stages)).to_dense()
    got = butterfly(a, radices=tuple(radices))
    recovered(got, a)
    assert [stage.blocks.shape for stage in got.stages] == [stage.blocks.shape for stage in stages]


@pytest.mark.parametrize("n", [1, 2, 4, 8, 64, 256])
def test_the_dft_matrix_is_recovered_with_its_bits_reversed(n):
    f, bits = np.asarray(oracle.fourier(n)), n.bit_length() - 1
    for matrix in (f, f.conj() / n, f / math.sqrt(n)):  # forward, inverse and unitary
        got = butterfly(matrix, **REVERSED)
        recovered(got, matrix)
    assert got.parameters == (2 * n * bits if bits else 1)
    assert got.flops == 2 * got.parameters
    assert got.order.tolist() == [oracle.reverse_bits(i, bits) for i in range(n)]
    if n > 2:
        assert lost(butterfly(f), f)  # without the permutation it is none
    x = draw(0, (n, 2))[0] + 1j * draw(1, (n, 2))[0]
    agree(butterfly(f, **REVERSED) @ x, np.fft.fft(x, axis=0), n)


@pytest.mark.parametrize("n", [6, 12, 30, 45])
def test_the_dft_matrix_of_any_length_is_recovered_in_mixed_radix(n):
    got = butterfly(scipy.linalg.dft(n), **REVERSED)
    recovered(got, scipy.linalg.dft(n))
    radices = [stage.blocks.shape[-1] for stage in got.stages]
    assert got.parameters == n * sum(radices)
    assert math.prod(radices) == n


@pytest.mark.parametrize("n", [2, 8, 128])
def test_the_hadamard_matrix_is_recovered_as_it_is(n):
    h = np.asarray(oracle.hadamard(n))
    np.testing.assert_array_equal(h, scipy.linalg.hadamard(n))
    got = butterfly(h)
    recovered(got, h)
    if n > 2:
        assert lost(butterfly(h, **REVERSED), h)
    assert got.parameters == 2 * n * (n.bit_length() - 1)
    assert got.order is None


@pytest.mark.parametrize("n", [4, 16, 64])
def test_a_circulant_matrix_is_two_butterflies_and_a_diagonal(n):
    column, x = draw(0, n, (n, 2))
    forward, inverse = (butterfly(f, **REVERSED) for f in (scipy.linalg.dft(n), np.linalg.inv(scipy.linalg.dft(n))))
    spectrum = (forward @ column.astype(complex))[:, None]
    agree(inverse @ (spectrum * (forward @ x.astype(complex))), scipy.linalg.circulant(column) @ x + 0j, n * n)


def test_kronecker_products_of_two_by_two_matrices_are_butterflies():
    factors = draw(3, *[(2, 2)] * 5)
    a = factors[0]
    for factor in factors[1:]:
        a = np.kron(a, factor)
    recovered(butterfly(a), a)


def test_the_cosine_transform_is_no_butterfly():
    """It is the real part of one, after another permutation and with complex weights."""
    n = 16
    dct = scipy.fft.dct(np.eye(n), axis=0)
    for options in ({}, REVERSED):
        assert lost(butterfly(dct, **options), dct)


def test_two_digits_are_a_monarch_matrix():
    (a,) = draw(4, (12, 10))
    got, want = butterfly(a, radices=((3, 2), (4, 5))), monarch(a, blocks=(4, 2))
    agree(got.to_dense(), want.to_dense(), a.size)
    assert got.parameters == want.parameters


@pytest.mark.parametrize("shape", [(8, 8), (16, 16), (8, 32), (12, 18)])
def test_the_error_is_that_of_all_splits_and_near_that_of_the_nearest(shape):
    """Squares of the errors of splits add up; each is at most the distance of any butterfly, by sqrt(k - 1) in all."""
    (a,), rng = draw(5, shape), np.random.default_rng(6)
    got = butterfly(a)
    assert abs(np.linalg.norm(a - got.to_dense()) - got.error_bound) <= ROUNDING("float64", a.size) * np.linalg.norm(a)
    factor = math.sqrt(len(got.stages) - 1)
    near = [got.map(lambda x, s=s: x + s * rng.standard_normal(x.shape)) for s in (1e-3, 1e-2, 0.1) for _ in range(10)]
    for other in near:
        assert got.error_bound <= BOUND(factor * np.linalg.norm(a - other.to_dense()), length=a.size)
    for scale in (0.01, 0.1, 1.0):  # a butterfly and noise: the noise is a distance that some butterfly has
        noise = scale * rng.standard_normal(shape)
        noisy = butterfly(got.to_dense() + noise)
        assert noisy.error_bound <= BOUND(factor * np.linalg.norm(noise), length=a.size)


@pytest.mark.parametrize("shape", [(8, 8), (8, 16), (12, 8)])
def test_it_is_not_the_nearest_but_near_it(shape):
    """Least squares over each stage in turn come nearer, and no nearer than the theorem lets them."""
    (a,) = draw(7, shape)
    got = butterfly(a)
    better = improved(got, a)
    assert better < got.error_bound <= BOUND(math.sqrt(len(got.stages) - 1) * better, length=a.size)


def test_rows_of_all_stages_but_the_first_have_norm_one():
    got = butterfly(draw(8, (16, 16))[0])
    for stage in got.stages[1:]:
        lengths = np.linalg.norm(stage.blocks, axis=-1)
        assert np.max(np.abs(lengths - 1)) <= ROUNDING("float64", 2)


def test_rows_are_those_of_the_dense_matrix_and_permutations_are_undone_in_transposes():
    f = scipy.linalg.dft(8)
    got = butterfly(f, **REVERSED)
    agree(got.rows(np.asarray([3, 0])), f[[3, 0]], 64)
    agree(got.mT.to_dense(), f.T, 64)
    agree(got.rmatvec(np.arange(8.0) + 0j), f.conj().T @ np.arange(8.0), 64)


def test_radices_by_default_are_the_prime_factors():
    got = butterfly(np.ones((12, 8)))
    assert [stage.blocks.shape for stage in got.stages] == [(1, 6, 2, 2), (2, 3, 2, 2), (4, 1, 3, 2)]
    got = butterfly(np.ones((4, 16)))
    assert [stage.blocks.shape[-2:] for stage in got.stages] == [(1, 2), (1, 2), (2, 2), (2, 2)]
    assert [stage.blocks.shape for stage in butterfly(np.ones((7, 7))).stages] == [(1, 1, 7, 7)]


@given(radices=st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_digits_are_reversed(radices):
    order = digit_reversal(tuple(radices)).tolist()
    n = math.prod(radices)
    assert sorted(order) == list(range(n))
    for place, number in enumerate(order):
        backwards = []
        for radix in radices[::-1]:  # digits of the place, the last first
            backwards.append(place % radix)
            place //= radix
        value, unit = 0, 1
        for digit, radix in zip(backwards[::-1], radices, strict=True):
            value, unit = value + digit * unit, unit * radix
        assert value == number


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"radices": (2, 2)},
            ValueError,
            "^radices must multiply to 8 for rows and 8 for columns, got 4 and 4; give a pair",
        ),
        ({"radices": 2}, TypeError, "^radices must be a tuple with the radix of each digit, got 2$"),
        ({"radices": "222"}, TypeError, "^radices must be a tuple with the radix of each digit, got '222'$"),
        ({"radices": ()}, ValueError, "^radices must multiply to 8 for rows and 8 for columns, got 1 and 1"),
        ({"radices": (-2, -4)}, ValueError, "^radices must multiply to 8 for rows"),
        ({"radices": ((2, 2, 2),)}, ValueError, r"^radices must be integers or pairs of integers, got \(2, 2, 2\)$"),
        ({"radices": (2.0, 4)}, TypeError, r"^radices must be an integer, got 2.0$"),
        ({"permutation": "bits"}, ValueError, "^permutation must be None or 'bit reversal', got 'bits'$"),
        ({"permutation": True}, ValueError, "^permutation must be None or 'bit reversal', got True$"),
    ],
)
def test_bad_options_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        butterfly(np.ones((8, 8)), **options)
