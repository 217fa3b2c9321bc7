"""Facts about the distribution `sparsemax`."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, distribution

from factorattn.distribution import sparsemax
from factorattn.testing import ROUNDING

entries = st.floats(-3, 3) | st.sampled_from([0.0, 0.25, 0.5, 1.0, -np.inf])


@settings(deadline=None)
@given(st.lists(entries, min_size=1, max_size=12))
def test_sparsemax_is_the_projection(a):
    agree(sparsemax(np.array(a)), distribution.sparsemax(a), len(a))


@settings(deadline=None)
@given(st.lists(entries, min_size=1, max_size=12), st.sampled_from([1e-9, 1e-3, 1e3, 1e9]))
def test_and_at_every_scale(a, size):
    a = [size * x for x in a]
    agree(sparsemax(np.array(a)), distribution.sparsemax(a), len(a))


def test_sparsemax_of_the_published_example():
    np.testing.assert_array_equal(sparsemax(np.array([-2.0, 0.0, 0.5])), [0.0, 0.25, 0.75])


def test_no_point_of_the_simplex_is_nearer(rng):
    a = rng.standard_normal((50, 30))
    p = sparsemax(a)
    for y in rng.dirichlet(np.full(30, 0.2), size=100):  # the angle at the projection is not acute
        assert np.all(np.sum((a - p) * (y - p), axis=-1) <= ROUNDING(np.float64, 30) * np.max(np.abs(a)))


def test_a_lead_of_one_takes_all():
    np.testing.assert_array_equal(sparsemax(np.array([2.0, 1.0, 1.0])), [1.0, 0.0, 0.0])


def test_float32_rows_of_thousands_sum_to_one(rng):
    for size in (1e-6, 1e-3, 1.0):
        a = (size * rng.standard_normal((20, 5000))).astype(np.float32)
        p = sparsemax(a)
        assert np.max(np.abs(np.sum(p.astype(np.float64), axis=-1) - 1)) <= ROUNDING(np.float32, 1)
        assert np.max(np.abs(p - sparsemax(a.astype(np.float64)))) <= ROUNDING(np.float32, 1) * np.max(p)


@pytest.mark.peers
def test_sparsemax_agrees_with_the_package_of_its_authors(rng):
    torch = pytest.importorskip("torch", reason="torch is not installed (extra: peers)")
    entmax = pytest.importorskip("entmax", reason="entmax is not installed (extra: peers)")
    for size in (0.1, 1.0, 10.0):
        a = size * rng.standard_normal((20, 300))
        agree(sparsemax(a), entmax.sparsemax(torch.asarray(a), dim=-1).numpy(), 300)
