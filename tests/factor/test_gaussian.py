"""The error function against Python's own, over the whole range, in every library."""

import math

import numpy as np
import pytest
from libraries import LIBRARIES

from factorattn.factor.gaussian import erf, erfc, normal_density, upper_tail
from factorattn.testing import ROUNDING

PIECES = (0.46875, 4.0, 26.5)  # where one approximation follows another, and where float64 has no smaller number
EXACT = {"erf": (erf, math.erf), "erfc": (erfc, math.erfc)}
every_library = pytest.mark.parametrize("library", LIBRARIES)


def everywhere():
    seams = [step for edge in PIECES for step in (np.nextafter(edge, 0), edge, np.nextafter(edge, 30))]
    near = np.concatenate([np.linspace(0, 30, 60001), np.geomspace(1e-320, 1, 2000), seams])
    return np.concatenate([near, -near])


@every_library
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", EXACT)
def test_the_relative_error_is_a_few_roundings(library, dtype, name):
    xp = pytest.importorskip(library)
    f, exact = EXACT[name]
    x = everywhere().astype(dtype)
    got = np.asarray(f(xp.asarray(x), xp=xp))
    assert got.dtype == dtype
    want = np.array([exact(float(value)) for value in x])
    seen = np.abs(want) >= np.finfo(dtype).tiny  # below, numbers themselves have fewer digits
    assert np.max(np.abs(got[seen] - want[seen]) / np.abs(want[seen])) <= ROUNDING(dtype, 1)
    assert np.max(np.abs(got[~seen] - want[~seen])) <= np.finfo(dtype).tiny


@pytest.mark.parametrize(("f", "want"), [(erf, [1.0, -1.0, 0.0]), (erfc, [0.0, 2.0, 1.0])])
def test_infinity_and_zero(f, want):
    np.testing.assert_array_equal(f(np.array([np.inf, -np.inf, 0.0]), xp=np), want)
    assert np.isnan(f(np.array([np.nan]), xp=np)[0])


def test_tails_and_density_of_the_normal_distribution():
    x = np.linspace(-8, 8, 97)
    tail = upper_tail(x, xp=np)
    np.testing.assert_allclose(tail + upper_tail(-x, xp=np), np.ones(97), rtol=ROUNDING(np.float64, 1))
    np.testing.assert_allclose(upper_tail(np.array([1.959963984540054]), xp=np), [0.025], rtol=ROUNDING(np.float64, 1))
    # The density is the derivative of the tail: a trapezoid sum over all of it is one, to rounding.
    steps = np.arange(-40, 41) / 3
    np.testing.assert_allclose(normal_density(steps, xp=np).sum() / 3, 1.0, rtol=ROUNDING(np.float64, 81))
