"""What comes into a factorization: shapes, dtypes, finite entries; and a scale that squares cannot overflow."""

import array_api_compat
import numpy as np
import pytest
from libraries import LIBRARIES

from factorattn.factor.door import admit, frobenius, unit_scale
from factorattn.interpret.counting import counting
from factorattn.testing import ROUNDING
from factorattn.testing.case import to_numpy

CONTRACT = "a: ... p q, b?: p, rank = r"


@pytest.fixture(params=LIBRARIES)
def xp(request):
    return array_api_compat.array_namespace(pytest.importorskip(request.param).asarray([1.0]))


def test_sizes_and_arrays_come_back_in_the_dtype_to_compute_in(xp):
    a = xp.ones((2, 4, 3), dtype=xp.float32)
    found, size, arrays = admit(CONTRACT, a=a, b=None, rank=2)
    assert found is xp
    assert size == {"p": 4, "q": 3, "r": 2}
    assert arrays[0].dtype == xp.float32
    assert arrays[1] is None
    _, _, (_, b) = admit(CONTRACT, a=a, b=xp.ones(4, dtype=xp.float64), rank=2)
    assert b.dtype == xp.float64


def test_half_precision_is_computed_in_single():
    _, _, (a, _) = admit(CONTRACT, a=np.ones((2, 2), np.float16), b=None, rank=1)
    assert a.dtype == np.float32


def test_complex_matrices_are_let_in(xp):
    _, size, (a, _) = admit(CONTRACT, a=xp.ones((4, 3), dtype=xp.complex64), b=None, rank=1)
    assert a.dtype == xp.complex64
    assert size["q"] == 3


def test_what_is_not_finite_is_refused_by_name_and_place(xp):
    for bad in (np.nan, np.inf, -np.inf):
        a = np.ones((2, 3, 4))
        a[1, 2, 0] = bad
        with pytest.raises(ValueError, match=rf"a must be finite, but holds {bad} at \(1, 2, 0\)"):
            admit(CONTRACT, a=xp.asarray(a), b=None, rank=1)
    with pytest.raises(ValueError, match=r"b must be finite, but holds .*nan.* at \(1,\)"):
        admit(CONTRACT, a=xp.ones((2, 3)), b=xp.asarray([1.0, np.nan]), rank=1)


def test_what_is_no_matrix_is_refused(xp):
    with pytest.raises(ValueError, match=r"a needs shape \(..., p, q\), got \(3,\)"):
        admit(CONTRACT, a=xp.ones(3), b=None, rank=1)
    with pytest.raises(ValueError, match="rank must be a positive integer, got 0"):
        admit(CONTRACT, a=xp.ones((3, 3)), b=None, rank=0)
    with pytest.raises(TypeError, match=r"a must have a real floating dtype, got .*int64"):
        admit(CONTRACT, a=xp.ones((3, 3), dtype=xp.int64), b=None, rank=1)
    with pytest.raises(TypeError, match="a must be an array"):
        admit(CONTRACT, a=[[1.0]], b=None, rank=1)


def test_arrays_without_values_hold_nothing_bad():
    xp = counting()
    _, size, _ = admit(CONTRACT, a=xp.empty((4, 3)), b=None, rank=2)
    assert size["p"] == 4


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_scale_is_a_power_of_two_that_no_square_overflows(xp, dtype):
    limits = np.finfo(dtype)
    for value in (limits.max, limits.tiny, limits.smallest_subnormal, 1.0, 3.0, 1e-30, 0.0):
        a = np.full((2, 3, 3), value, dtype=dtype)
        scale = unit_scale(xp.asarray(a), xp=xp)
        assert scale.dtype == getattr(xp, dtype)
        mantissa, _ = np.frexp(to_numpy(scale))
        assert np.all(mantissa == 0.5)
        assert np.array_equal(to_numpy(xp.asarray(a) / scale) * to_numpy(scale), a)
        assert np.max(a / to_numpy(scale)) < 4


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_the_scale_of_complex_entries_is_finite_where_their_absolute_values_overflow(xp, dtype):
    largest = np.finfo(dtype).max
    a = np.full((2, 2), complex(largest, -largest), dtype=dtype)
    unit = to_numpy(xp.asarray(a) / unit_scale(xp.asarray(a), xp=xp))
    assert np.all((unit.real >= 1) & (unit.real < 4))
    assert np.array_equal(unit.imag, -unit.real)


def test_the_norm_neither_overflows_nor_vanishes(xp):
    a = np.random.default_rng(0).standard_normal((2, 4, 3))
    want = np.linalg.norm(a, axis=(-2, -1))
    for factor in (1.0, 1e-200, 1e200):
        got = to_numpy(frobenius(xp.asarray(a * factor), xp=xp)) / factor
        assert np.max(np.abs(got - want)) <= ROUNDING("float64", 12) * np.max(want)
    assert np.array_equal(to_numpy(frobenius(xp.zeros((2, 3, 3)), xp=xp)), np.zeros(2))
    assert np.array_equal(to_numpy(frobenius(xp.zeros((2, 0, 3)), xp=xp)), np.zeros(2))
