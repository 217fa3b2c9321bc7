"""The product in registers against NumPy's, and the ways of matrices into lanes and back."""

import numba
import numpy as np
import pytest

from factorattn.primitives.lanes_numba import add_matrix, write_matrix
from factorattn.primitives.register_tile_numba import ROW_BYTES, ROWS, VECTOR_BYTES, VECTORS, multiply, multiply_onto
from factorattn.testing.tolerance import ROUNDING

DTYPES = [np.float32, np.float64]
SIZES = [0, 1, ROWS - 1, ROWS, ROWS + 1, 2 * ROWS + 3]


@numba.njit
def product(a, b, c, fade, onto, vectors):
    like, (row, step) = c[0, 0], a.strides
    if onto:
        multiply_onto(like, a.ctypes.data, row, step, *a.shape, b.ctypes.data, c.ctypes.data, fade.ctypes.data, vectors)
    else:
        multiply(like, a.ctypes.data, row, step, *a.shape, b.ctypes.data, c.ctypes.data, 0, vectors)


@numba.njit
def gather(out, factor, square, x):
    add_matrix(out, factor, square, x.ctypes.data, *x.strides, *x.shape)


@numba.njit
def scatter(o, square, x):
    write_matrix(o, square, x.ctypes.data, x.strides[0], *x.shape)


def lanes(dtype):
    return ROW_BYTES // np.dtype(dtype).itemsize


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("vectors", range(1, VECTORS + 1))
@pytest.mark.parametrize("onto", [False, True])
@pytest.mark.parametrize("order", ["C", "F", "reversed"])
def test_the_product_is_right_at_every_edge_and_leaves_the_rest_alone(order, onto, vectors, dtype):
    rng = np.random.default_rng(0)
    used = vectors * VECTOR_BYTES // np.dtype(dtype).itemsize
    for rows in SIZES:
        for steps in (0, 1, 5, 64):
            a = rng.standard_normal((rows, steps)).astype(dtype)
            a = a[::-1, ::-1] if order == "reversed" else np.asarray(a, order=order)
            b, c = (rng.standard_normal((x, lanes(dtype))).astype(dtype) for x in (steps + 1, rows + 1))
            fade = rng.standard_normal(lanes(dtype)).astype(dtype)
            expected = c.copy()
            old = fade[:used] * c[:rows, :used] if onto else 0
            expected[:rows, :used] = old + a @ b[:steps, :used]
            product(a, b, c, fade, onto, vectors)
            atol = ROUNDING(dtype, steps + 1) * np.abs(expected).max()
            np.testing.assert_allclose(c, expected, rtol=0, atol=atol)
            np.testing.assert_array_equal(c[rows:], expected[rows:])
            np.testing.assert_array_equal(c[:, used:], expected[:, used:])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("step", [1, 2, -1])
@pytest.mark.parametrize("columns", [0, 1, 3, 16, 17, 40])
def test_a_matrix_is_added_to_lanes_transposed(columns, step, dtype):
    rng = np.random.default_rng(1)
    width = VECTOR_BYTES // np.dtype(dtype).itemsize
    square = np.empty((width, width), dtype)
    for rows in (0, 1, width, lanes(dtype) - 1, lanes(dtype)):
        x = rng.standard_normal((rows, abs(step) * columns)).astype(dtype)[:, ::step]
        x[rng.random(x.shape) < 0.2] = -np.inf
        out = rng.standard_normal((columns + width, lanes(dtype))).astype(dtype)
        out[0, 0] = np.nan
        with np.errstate(invalid="ignore"):
            expected = np.where(np.isneginf(x.T), -np.inf, out[:columns, :rows] + dtype(0.5) * x.T)
        gather(out, dtype(0.5), square, x)
        np.testing.assert_array_equal(out[:columns, :rows], expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("step", [1, 2, -1])
def test_a_mask_puts_minus_infinity_where_it_is_false(step, dtype):
    rng = np.random.default_rng(2)
    width = VECTOR_BYTES // np.dtype(dtype).itemsize
    seen = (rng.random((lanes(dtype) - 1, 37 * abs(step))) < 0.5)[:, ::step]
    out = np.zeros((37 + width, lanes(dtype)), dtype)
    gather(out, dtype(1), np.empty((width, width), np.uint8), seen.view(np.uint8))
    np.testing.assert_array_equal(out[:37, : len(seen)], np.where(seen.T, 0, -np.inf))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("columns", [0, 1, 16, 19])
def test_lanes_are_written_back_as_rows(columns, dtype):
    width = VECTOR_BYTES // np.dtype(dtype).itemsize
    o = np.random.default_rng(3).standard_normal((columns + width, lanes(dtype))).astype(dtype)
    for rows in (0, 1, width, lanes(dtype) - 1, lanes(dtype)):
        room = np.zeros((rows + 1, columns + 1), dtype)
        x = room[:rows, :columns]
        scatter(o, np.empty((width, width), dtype), x)
        np.testing.assert_array_equal(x, o[:columns, :rows].T)
        assert not room[rows:].any()
        assert not room[:, columns:].any()
