"""Random directions that are held as Hadamard matrices: the same as the dense ones, or exactly normal."""

import math
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from libraries import LIBRARIES
from oracles import agree, lists, seeds
from oracles.factor.sketch import fastfood

from factorattn.factor import hadamard_gaussian, hyperbolic_features, positive_features, trigonometric_features
from factorattn.factor.features import FEATURES
from factorattn.factor.sketch import fastfood_directions, hadamard_directions
from factorattn.interpret.counting import counting
from factorattn.testing.tolerance import CHANCE, ROUNDING

LIKE = np.empty(0)
SIZES = [(1, 1), (3, 4), (7, 4), (12, 5), (2, 8), (17, 8), (5, 3)]
every_draw = pytest.mark.parametrize("draw", [hadamard_directions, fastfood_directions])
every_size = pytest.mark.parametrize(("r", "d"), SIZES)


@pytest.fixture(params=LIBRARIES)
def xp(request):
    return pytest.importorskip(request.param)


@cache
def drawn(d, draws=8000):
    """Independent blocks of fastfood directions (draws, P, d)."""
    full = 1 << (d - 1).bit_length()
    return np.reshape(fastfood_directions(draws * full, d, like=LIKE, rng=4).to_dense(), (draws, full, d))


@every_size
@pytest.mark.parametrize("length", ["normal", "constant"])
def test_hadamard_directions_are_those_of_hadamard_gaussian(xp, r, d, length):
    got = hadamard_directions(r, d, like=xp.ones(1, dtype=xp.float64), rng=3, length=length)
    want = hadamard_gaussian(r, d, rng=3, length=length)
    assert got.shape == (r, d)
    assert np.max(np.abs(np.asarray(got.to_dense()) - want)) <= ROUNDING("float64", 8) * np.max(np.abs(want))


@every_draw
@every_size
def test_products_are_those_of_the_dense_matrix(xp, draw, r, d):
    omega = draw(r, d, like=xp.ones(1, dtype=xp.float64), rng=0)
    dense, rng = np.asarray(omega.to_dense()), np.random.default_rng(1)
    x, y = rng.standard_normal((2, d, 3)), rng.standard_normal((2, r, 3))
    agree(np.asarray(omega @ xp.asarray(x)), (dense @ x).tolist(), 8 * d)
    agree(np.asarray(omega.rmatmat(xp.asarray(y))), (dense.T @ y).tolist(), 8 * r)


@every_draw
@every_size
def test_flops_are_those_that_are_counted(draw, r, d):
    xp = counting()
    omega, x = draw(r, d, like=xp.empty(1), rng=2), xp.empty((d,))
    xp.tally.start()
    assert omega.matvec(x).shape == (r,)
    assert omega.flops == xp.tally.flops


@every_draw
def test_a_product_takes_n_log_n_operations_and_the_matrix_linear_memory(draw):
    omega = draw(1024, 1024, like=LIKE, rng=0)
    transforms, diagonals = (3, 4) if draw is hadamard_directions else (2, 3)
    assert omega.flops == 1024 * (10 * transforms + diagonals)
    assert omega.parameters == 1024 * diagonals


@settings(max_examples=30, deadline=None)
@given(d=st.integers(1, 9), seed=seeds)
def test_fastfood_is_that_of_its_paper(d, seed):
    full = 1 << (d - 1).bit_length()
    rng, x = np.random.default_rng(seed), np.random.default_rng(seed + 1).standard_normal(d)
    normal = rng.standard_normal((1, full))[0]
    order, signs = rng.permutation(full), rng.choice([-1.0, 1.0], size=full)
    length = np.sqrt(rng.chisquare(full, size=full))
    agree(
        fastfood_directions(full, d, like=LIKE, rng=seed).matvec(x),
        fastfood(*lists(x, length, normal, order, signs)),
        full,
    )


@pytest.mark.parametrize("d", [1, 3, 4])
@pytest.mark.parametrize("row", [0, -1])
def test_a_direction_of_fastfood_by_itself_is_standard_normal(d, row):
    w = drawn(d)[:, row]
    for a in range(d):
        for power, want in ((1, 0), (2, 1), (3, 0), (4, 3), (6, 15)):
            assert abs(np.mean(w[:, a] ** power) - want) <= CHANCE(w[:, a] ** power)
        for b in range(a):
            assert abs(np.mean(w[:, a] * w[:, b])) <= CHANCE(w[:, a] * w[:, b])
            both = w[:, a] ** 2 * w[:, b] ** 2
            assert abs(np.mean(both) - 1) <= CHANCE(both)


@pytest.mark.parametrize("phi", FEATURES.values(), ids=FEATURES.keys())
@pytest.mark.parametrize("d", [3, 4])
def test_features_of_fastfood_are_unbiased(phi, d):
    x, y = np.random.default_rng(0).standard_normal((2, d)) / 2
    omega = drawn(d)
    (f, s), (g, t) = (phi(z[None, :], omega, xp=np) for z in (x, y))
    got = np.sum(f * g, axis=-1)[:, 0] * np.exp(s + t)[..., 0, 0]
    assert abs(np.mean(got) - math.exp(x @ y)) <= CHANCE(got)


@every_draw
@pytest.mark.parametrize("phi", FEATURES.values(), ids=FEATURES.keys())
def test_features_take_directions_that_are_factored(xp, draw, phi):
    x = xp.asarray(np.random.default_rng(0).standard_normal((2, 3, 5)))
    omega = draw(7, 5, like=x, rng=0)
    for got, want in zip(phi(x, omega, xp=xp), phi(x, omega.to_dense(), xp=xp), strict=True):
        agree(np.asarray(got), np.asarray(want).tolist(), 8)


def test_features_of_factored_directions_cost_n_log_n():
    xp, flops = counting(), {}
    x = xp.empty((1, 512))
    for name, omega in (("fast", hadamard_directions(512, 512, like=x, rng=0)), ("dense", xp.empty((512, 512)))):
        for phi in (positive_features, hyperbolic_features, trigonometric_features):
            xp.tally.start()
            phi(x, omega, xp=xp)
            flops[name, phi] = xp.tally.flops
    for phi in (positive_features, hyperbolic_features, trigonometric_features):
        assert flops["dense", phi] - flops["fast", phi] == 2 * 512 * 512 - 512 * (3 * 9 + 4)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="length must be 'normal' or 'constant', got 'long'"):
        hadamard_directions(2, 3, like=LIKE, length="long")
    for draw in (hadamard_directions, fastfood_directions):
        with pytest.raises(ValueError, match="r must be at least 1"):
            draw(0, 3, like=LIKE)
