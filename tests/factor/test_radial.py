"""Means of basis functions: the closed forms against sums, across the seam of the two ways, and at their limits."""

import math

import numpy as np
import pytest
from libraries import LIBRARIES
from oracles import continuous_softmax, continuous_sparsemax

from factorattn.factor.radial import DENSITIES, gaussian_means, parabola_means, parabola_reach, radial_grid
from factorattn.testing import ROUNDING

ORACLES = {"gaussian": continuous_softmax.mean_of_basis, "parabola": continuous_sparsemax.mean_of_basis}
every_density = pytest.mark.parametrize("name", DENSITIES)
every_library = pytest.mark.parametrize("library", LIBRARIES)

MU = np.array([-3.0, -0.2, 0.0, 0.31, 0.5, 1.0, 2.7])
# Around the seam of parabolas, where their reach is the width of a basis function: sigma^2 = 2 s^3 / 3.
SEAM = [math.sqrt(2 * s**3 / 3) * (1 + e) for s in (0.1, 0.5) for e in (-1e-9, 0.0, 1e-9)]
SIGMA = np.array([0.0, 1e-8, 1e-3, 0.01, 0.1, 0.7, 3.0, 40.0, *SEAM])


@every_density
@every_library
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_means_are_sums_over_the_density(name, library, dtype):
    xp = pytest.importorskip(library)
    centres, spreads = radial_grid(8, (0.1, 0.5))
    mu, sigma = (x.ravel().astype(dtype) for x in np.meshgrid(MU, SIGMA))
    # The oracle is told the numbers as they were rounded: at single precision that is not the same question.
    asked = [x.astype(dtype) for x in (centres, spreads)]
    got = np.asarray(DENSITIES[name](*(xp.asarray(x) for x in (mu, sigma, *asked)), xp=xp))
    want = [[ORACLES[name](*(float(x) for x in (a, b, c, s))) for c, s in zip(*asked, strict=True)]
            for a, b in zip(mu, sigma, strict=True)]  # fmt: skip
    assert got.dtype == dtype
    top = 1 / (spreads * math.sqrt(2 * math.pi))  # the largest value of each basis function
    assert np.max(np.abs(got - np.array(want)) / top) <= ROUNDING(dtype, 8)


@every_density
def test_a_point_density_is_the_function_itself(name):
    centres, spreads = radial_grid(6, (0.2,))
    t = np.linspace(-1, 2, 31)
    want = [[continuous_softmax.normal(x, c, s) for c, s in zip(centres, spreads, strict=True)] for x in t]
    np.testing.assert_allclose(
        DENSITIES[name](t, 0 * t, centres, spreads, xp=np), want, atol=ROUNDING(np.float64, 1) / 0.2
    )


def test_the_parabola_is_positive_as_far_as_it_says():
    sigma = np.array([0.1, 1.0, 7.0])
    reach = parabola_reach(sigma)
    area = reach**3 * 4 / 3 / (2 * sigma**2)  # of [reach^2 - x^2]_+ / (2 sigma^2)
    np.testing.assert_allclose(area, 1.0, rtol=ROUNDING(np.float64, 1))
    narrow = np.full(1, 1e-4)
    inside, outside = (
        parabola_means(reach[:1] * side, sigma[:1], np.zeros(1), narrow, xp=np)[0, 0] for side in (0.98, 1.02)
    )
    assert inside > 0
    assert outside == 0


def test_means_of_all_places_have_the_mass_of_the_function():
    # Summed over where the density stands, the mean of a function of mass one is one.
    t = np.arange(-400, 401) / 20
    for means in (gaussian_means, parabola_means):
        total = means(t, np.full_like(t, 0.9), np.array([0.3]), np.array([0.6]), xp=np).sum() / 20
        # The parabola has corners: its trapezoid sum is off by no more than a step squared times its slope there.
        slope = parabola_reach(0.9) / 0.9**2
        assert abs(total - 1) <= (1 / 20) ** 2 * slope / 6 + ROUNDING(np.float64, 801)


@pytest.mark.parametrize("rank", range(1, 9))
def test_the_grid_is_that_of_the_paper(rank):
    for widths in ((0.1,), (0.1, 0.5), (0.01, 0.05, 0.2)):
        want = continuous_softmax.basis(rank, widths)
        np.testing.assert_allclose(np.stack(radial_grid(rank, widths), axis=1), want, rtol=ROUNDING(np.float64, 1))
