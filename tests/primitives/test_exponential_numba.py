"""Softmax's weights and the softcap on vectors against extended precision."""

import numba
import numpy as np
import pytest

from factorattn.primitives.exponential_numba import soften, weigh
from factorattn.primitives.register_tile_numba import ROW_BYTES, VECTORS
from factorattn.testing.tolerance import ROUNDING

DTYPES = [np.float32, np.float64]


@numba.njit
def run_weigh(s, top, total, fade, vectors):
    weigh(s[0, 0], s.ctypes.data, len(s), top.ctypes.data, total.ctypes.data, fade.ctypes.data, vectors)


@numba.njit
def run_soften(cap, s):
    soften(cap, s.ctypes.data, len(s))


def in_rows(x):
    """As rows of lanes, with repeats of the last number."""
    lanes = ROW_BYTES // x.itemsize
    return np.pad(x, (0, -len(x) % lanes), mode="edge").reshape(-1, lanes)


def states(dtype, top):
    lanes = ROW_BYTES // np.dtype(dtype).itemsize
    return np.full(lanes, top, dtype), np.zeros(lanes, dtype), np.empty(lanes, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_exponential_is_within_a_rounding_of_the_true_one(dtype):
    least = np.log(np.finfo(dtype).smallest_normal)
    x = in_rows(np.linspace(least + 1, 0, 1_000_000).astype(dtype))
    s = x.copy()
    run_weigh(s, *states(dtype, 0), VECTORS)
    true = np.exp(x.astype(np.longdouble))
    assert np.max(np.abs(s / true - 1)) < np.finfo(dtype).eps


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_softcap_is_within_a_few_roundings_of_the_true_one(dtype):
    x = np.concatenate([np.linspace(-30, 30, 300_001), np.geomspace(1e-30, 1, 100_000)]).astype(dtype)
    x = in_rows(x[x != 0])
    s = x.copy()
    run_soften(dtype(1), s)
    assert np.max(np.abs(s / np.tanh(x.astype(np.longdouble)) - 1)) < 2 * np.finfo(dtype).eps


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_edges_of_both_functions(dtype):
    edge = np.array([-np.inf, np.nan, -np.finfo(dtype).max, -0.0, 0.0], dtype)
    s = in_rows(edge)
    run_weigh(s, *states(dtype, 0), VECTORS)
    np.testing.assert_array_equal(s[0, :5], [0, np.nan, 0, 1, 1])
    s = in_rows(np.append(edge, dtype(np.inf)))
    run_soften(dtype(2), s)
    np.testing.assert_array_equal(s[0, :6], [-2, np.nan, -2, 0, 0, 2])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("vectors", range(1, VECTORS + 1))
def test_chunks_in_sequence_give_the_softmax_sum_of_all(vectors, dtype):
    lanes = ROW_BYTES // np.dtype(dtype).itemsize
    used = vectors * lanes // VECTORS
    x = np.random.default_rng(0).standard_normal((90, lanes)).astype(dtype) * 20
    x[:30, 0] = -np.inf  # a query that sees nothing in the first chunk
    x[:, 1] = -np.inf  # and one that never does
    top, total, fade = states(dtype, -np.inf)
    for chunk in (x[:30], x[30:31], x[31:]):
        run_weigh(chunk.copy(), top, total, fade, vectors)
    np.testing.assert_array_equal(top[:used], x[:, :used].max(axis=0))
    shift = np.where(top == -np.inf, 0, top)
    true = np.exp(x.astype(np.longdouble) - shift).sum(axis=0)
    np.testing.assert_allclose(total[:used], true[:used].astype(dtype), rtol=ROUNDING(dtype, 90))
    assert total[1] == 0
    np.testing.assert_array_equal(total[used:], 0)
