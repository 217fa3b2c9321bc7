"""The kernel of the QR decomposition against its reference, up to signs: both make the matrix from the same space."""

import numpy as np
import pytest
from libraries import LIBRARIES

from factorattn.interpret.counting import counting
from factorattn.primitives.dispatch import Unsupported, explain, kernels
from factorattn.primitives.thin_qr import thin_qr
from factorattn.testing import ROUNDING


def normal(shape, dtype):
    rng = np.random.default_rng(0)
    a = rng.standard_normal(shape)
    return (a + 1j * rng.standard_normal(shape) if np.dtype(dtype).kind == "c" else a).astype(dtype)


@pytest.mark.parametrize("mode", ["off", "require"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("shape", [(9, 4), (4, 9), (5, 5), (1, 1), (2, 3, 7, 4)])
@pytest.mark.parametrize("turned", [False, True])
def test_factors_make_the_matrix(shape, dtype, mode, turned):
    a = normal((*shape[:-2], shape[-1], shape[-2]), dtype).mT if turned else normal(shape, dtype)
    before = a.copy()
    with kernels(mode):
        q, r = thin_qr(a)
    side, allowed = min(shape[-2:]), ROUNDING(dtype, a.size)
    assert (q.shape, r.shape) == ((*shape[:-1], side), (*shape[:-2], side, shape[-1]))
    assert q.dtype == r.dtype == np.dtype(dtype)
    assert np.max(np.abs(q @ r - a)) <= allowed * np.max(np.abs(a))
    assert np.max(np.abs(q.conj().mT @ q - np.eye(side))) <= allowed
    assert not np.any(np.tril(r, -1))
    np.testing.assert_array_equal(a, before)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_kernel_agrees_with_the_reference(dtype):
    a = normal((20, 6), dtype)
    with kernels("require"):
        q, r = thin_qr(a)
    with kernels("off"):
        want_q, want_r = thin_qr(a)
    signs = np.sign(np.diagonal(r) * np.diagonal(want_r))
    assert np.max(np.abs(q * signs - want_q)) <= ROUNDING(dtype, a.size) * np.linalg.cond(a)
    assert np.max(np.abs(signs[:, None] * r - want_r)) <= ROUNDING(dtype, a.size) * np.max(np.abs(want_r))


@pytest.mark.parametrize("mode", ["off", "require"])
def test_columns_are_orthonormal_whatever_the_rank(mode):
    for a in (np.zeros((6, 3)), np.ones((6, 3)), np.ones((6, 3)) * 1e-200):
        with kernels(mode):
            q, r = thin_qr(a)
        assert np.max(np.abs(q.T @ q - np.eye(3))) <= ROUNDING("float64", 18)
        assert np.max(np.abs(q @ r - a)) <= ROUNDING("float64", 18) * np.max(a)


@pytest.mark.parametrize("library", LIBRARIES)
def test_other_libraries_use_their_own(library):
    xp = pytest.importorskip(library)
    a = normal((6, 3), "float64")
    q, r = thin_qr(xp.asarray(a))
    assert np.max(np.abs(np.asarray(q) @ np.asarray(r) - a)) <= ROUNDING("float64", 18) * np.max(np.abs(a))


def test_what_the_kernel_declines():
    with kernels("require"), pytest.raises(Unsupported, match="there is nothing to decompose"):
        thin_qr(np.zeros((0, 3)))
    (choice,) = explain(thin_qr, np.zeros((0, 3)))
    assert choice.ran == "reference"


def test_counting_reads_the_reference():
    counts = counting()
    q, r = thin_qr(counts.empty((9, 4)))
    assert (q.shape, r.shape) == ((9, 4), (4, 4))
    assert counts.tally.flops > 0
