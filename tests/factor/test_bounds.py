"""Bounds on the randomized decomposition hold on average; ranks for an energy or an error are the smallest."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, seeds

from factorattn.factor.lowrank import (
    expected_frobenius_bound,
    expected_spectral_bound,
    randomized_svd,
    rank_for_energy,
    rank_for_error,
)
from factorattn.testing import BOUND, CHANCE, ROUNDING

SPECTRA = {
    "fast": 0.8 ** np.arange(40),
    "slow": np.arange(1, 41) ** -0.5,
    "flat": np.ones(40),
    "step": np.where(np.arange(40) < 8, 1.0, 0.01),
}
BOUNDS = {"fro": expected_frobenius_bound, 2: expected_spectral_bound}


def rotated(values):
    """A matrix (50, 40) with these singular values; the Gaussian sketch does not see the vectors."""
    rng = np.random.default_rng(7)
    u, v = (np.linalg.qr(rng.standard_normal((n, 40)))[0] for n in (50, 40))
    return (u * values) @ v.T


@pytest.mark.parametrize("norm", list(BOUNDS))
@pytest.mark.parametrize("power", [0, 1, 2])
@pytest.mark.parametrize("oversampling", [2, 5])
@pytest.mark.parametrize("decay", list(SPECTRA))
def test_the_mean_error_is_below_the_bound(decay, oversampling, power, norm):
    a, rank = rotated(SPECTRA[decay]), 8
    errors = [
        np.linalg.norm(a - randomized_svd(a, rank, oversampling=oversampling, power=power, rng=seed).to_dense(), norm)
        for seed in range(60)
    ]
    bound = float(BOUNDS[norm](SPECTRA[decay], rank, oversampling, power=power))
    assert np.mean(errors) <= BOUND(bound, length=a.size) + CHANCE(errors)


@pytest.mark.parametrize("decay", list(SPECTRA))
def test_the_mean_error_of_the_projection_is_below_the_theorems_of_the_paper(decay):
    """Theorems 10.5 and 10.6 as they stand: nothing is cut off, rank + oversampling columns are kept."""
    s, k, p = SPECTRA[decay], 8, 4
    a, tail = rotated(s), np.linalg.norm(s[8:])
    rests = [a - randomized_svd(a, k + p, oversampling=0, power=0, rng=seed).to_dense() for seed in range(60)]
    frobenius = [np.linalg.norm(rest) for rest in rests]
    spectral = [np.linalg.norm(rest, 2) for rest in rests]
    assert np.mean(frobenius) <= math.sqrt(1 + k / (p - 1)) * tail + CHANCE(frobenius)
    assert np.mean(spectral) <= (1 + math.sqrt(k / (p - 1))) * s[k] + math.e * math.sqrt(k + p) / p * tail + CHANCE(
        spectral
    )


def test_bounds_worked_by_hand():
    s = np.asarray([4.0, 2.0, 1.0])
    agree(expected_frobenius_bound(s, 1, 2), math.sqrt((1 + 1) * 5), 3)
    agree(expected_frobenius_bound(s, 1, 3, power=1), math.sqrt((1 + 1 / 16 / 2) * 5), 3)
    agree(expected_spectral_bound(s, 1, 2), 2 + 2 * 2 + math.e * math.sqrt(3) / 2 * math.sqrt(5), 3)
    cubes = (1 + 1) * 8 + math.e * math.sqrt(3) / 2 * math.sqrt(64 + 1)
    agree(expected_spectral_bound(s, 1, 2, power=1), 2 + cubes ** (1 / 3), 3)


@pytest.mark.parametrize("bound", list(BOUNDS.values()))
def test_bounds_of_hard_spectra(bound):
    assert bound(np.zeros(3), 1, 2) == 0
    assert bound(np.asarray([3.0, 2.0]), 2, 2, power=3) == 0
    assert bound(np.zeros(0), 1, 2) == 0
    s = SPECTRA["fast"]
    for factor in (1e150, 1e-150):
        agree(bound(s * factor, 3, 4, power=2) / factor, float(bound(s, 3, 4, power=2)), 40)
    both = bound(np.stack([s, SPECTRA["slow"]]), 3, 4)
    agree(both, [float(bound(s, 3, 4)), float(bound(SPECTRA["slow"], 3, 4))], 40)


@pytest.mark.parametrize("bound", list(BOUNDS.values()))
@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"oversampling": 1}, ValueError, "oversampling must be 2 or more, got 1"),
        ({"power": -1}, ValueError, "power must be 0 or more, got -1"),
        ({"power": 0.5}, TypeError, "power must be an integer"),
        ({"rank": 0}, ValueError, "rank must be a positive integer"),
        ({"s": np.asarray(1.0)}, ValueError, r"s needs shape \(\.\.\., k\)"),
    ],
)
def test_bad_input_of_bounds_is_named(bound, options, error, match):
    with pytest.raises(error, match=match):
        bound(**({"s": np.ones(4), "rank": 1, "oversampling": 2} | options))


@settings(deadline=None)  # kernels are imported in the first call
@given(count=st.integers(1, 9), share=st.floats(0, 1), seed=seeds)
def test_the_rank_is_the_smallest_that_is_enough(count, share, seed):
    s = np.sort(np.abs(np.random.default_rng(seed).standard_normal(count)))[::-1]
    energy, slack = np.cumsum(s**2) / np.sum(s**2), ROUNDING("float64", count)
    rank = rank_for_energy(s, share)
    assert energy[rank - 1] >= share - slack
    assert rank == 1 or energy[rank - 2] < share + slack
    rank = rank_for_error(s, share)
    left = np.sqrt(np.maximum(1 - energy, 0))
    assert left[rank - 1] <= share + math.sqrt(slack)
    assert rank == 1 or left[rank - 2] >= share - math.sqrt(slack)


def test_ranks_worked_by_hand():
    s = np.asarray([4.0, 2.0, 1.0, 0.0])  # squares 16, 4, 1 of 21
    assert [rank_for_energy(s, e) for e in (0, 16 / 21 - 0.01, 16 / 21 + 0.01, 0.96, 1)] == [1, 1, 2, 3, 3]
    assert [rank_for_error(s, e) for e in (2, math.sqrt(5 / 21) + 0.01, 0.3, 0.1, 0)] == [1, 1, 2, 3, 3]


def test_ranks_of_hard_spectra():
    for f, least in ((rank_for_energy, 1.0), (rank_for_error, 0.0)):
        assert f(np.zeros(3), least) == 1
        assert f(np.zeros(0), least) == 1
        assert f(np.asarray([1e200, 1e199]), least) == 2
        assert f(np.asarray([1e-200, 1e-201]), least) == 2
    assert rank_for_error(np.asarray([1.0, 1e-12]), 1e-13) == 2  # its square is beyond eps
    assert rank_for_error(np.asarray([1.0, 1e-12]), 1e-11) == 1


@pytest.mark.parametrize(
    ("f", "value", "error", "match"),
    [
        (rank_for_energy, 1.5, ValueError, r"energy must be in \[0, 1\], got 1.5"),
        (rank_for_energy, -0.1, ValueError, r"energy must be in \[0, 1\]"),
        (rank_for_error, -0.1, ValueError, "error must be 0 or more, got -0.1"),
        (rank_for_error, "0.1", TypeError, "error must be a real number"),
    ],
)
def test_bad_input_of_ranks_is_named(f, value, error, match):
    with pytest.raises(error, match=match):
        f(np.ones(3), value)
