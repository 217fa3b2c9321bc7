"""GELU against Python's own error function."""

import math

import numpy as np
import pytest
from libraries import LIBRARIES

from factorattn.interpret.counting import counting
from factorattn.model.activation import gelu
from factorattn.testing import ROUNDING


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("library", LIBRARIES)
def test_it_is_x_times_the_normal_distribution(library, dtype):
    xp = pytest.importorskip(library)
    x = np.concatenate([np.linspace(-6, 6, 2001), [0.0, -1e-30, 1e-30, 40.0, -40.0]]).astype(dtype)
    got = np.asarray(gelu(xp.asarray(x), xp=xp))
    want = np.array([t * (1 + math.erf(t / math.sqrt(2))) / 2 for t in x.tolist()])
    assert got.dtype == dtype
    assert np.all(np.abs(got - want) <= ROUNDING(dtype, 1) * np.maximum(np.abs(x), np.finfo(dtype).tiny))


def test_far_out_it_is_x_or_nothing():
    np.testing.assert_array_equal(gelu(np.array([np.inf, 40.0, -40.0]), xp=np), [np.inf, 40.0, 0.0])


def test_it_can_be_counted():
    counts = counting()
    assert gelu(counts.empty((3, 4)), xp=counts).shape == (3, 4)
