"""Derivatives of Fourier transforms: against differences, for all lengths, axes and norms, and on every library."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from libraries import LIBRARIES
from oracles import seeds

from factorattn.interpret.gradient import grad, jvp, vjp
from factorattn.interpret.gradient_array import Array
from factorattn.interpret.gradient_fft import FFT
from factorattn.testing import ROUNDING, differences

ONE_AXIS = ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")
SEVERAL = ("fftn", "ifftn", "rfftn", "irfftn")
SHIFTS = ("fftshift", "ifftshift")
FREQUENCIES = ("fftfreq", "rfftfreq")
FROM_REAL = ("rfft", "ihfft", "rfftn")
X, Y = np.random.default_rng(0).standard_normal((2, 3, 4, 5))


def transform(name, **options):
    """The transform as a function of real parts and imaginary ones; its result, too."""

    def f(x, y):
        xp = x.__array_namespace__()
        out = getattr(xp.fft, name)(x if name in FROM_REAL else x + 1j * y, **options)
        if not xp.isdtype(out.dtype, "complex floating"):
            return (out + 0 * xp.sum(y),)
        return xp.real(out) + 0 * xp.sum(y), xp.imag(out)

    def on(x, y):
        return f(x, y) if isinstance(x, Array) else vjp(f, x, y)[0]

    return on


def test_every_rule_is_tried():
    assert sorted(FFT) == sorted((*ONE_AXIS, *SEVERAL, *SHIFTS, *FREQUENCIES))


@pytest.mark.parametrize("norm", ["backward", "ortho", "forward"])
@pytest.mark.parametrize("n", [None, 1, 3, 6])
@pytest.mark.parametrize("axis", [0, -1])
@pytest.mark.parametrize("name", ONE_AXIS)
def test_along_one_axis(name, axis, n, norm):
    differences.check_gradients(transform(name, n=n, axis=axis, norm=norm), X, Y)


@pytest.mark.parametrize(
    "options",
    [{}, {"axes": (1,)}, {"axes": (2, 0)}, {"s": (6, 3), "axes": (0, 2)}, {"s": (2, 7, 4), "axes": (0, 1, 2)}],
    ids=str,
)
@pytest.mark.parametrize("name", SEVERAL)
def test_along_several_axes(name, options):
    for norm in ("backward", "ortho", "forward"):
        differences.check_gradients(transform(name, norm=norm, **options), X, Y)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 9), st.integers(1, 9), st.sampled_from(ONE_AXIS), seeds)
def test_any_length(length, n, name, seed):
    x, y = np.random.default_rng(seed).standard_normal((2, length))
    differences.check_gradients(transform(name, n=n), x, y, seed=seed)


@pytest.mark.parametrize("axes", [None, 0, (0, -1)])
@pytest.mark.parametrize("name", SHIFTS)
def test_shifts(name, axes):
    differences.check_gradients(transform(name, axes=axes), X, Y)


def test_a_convolution_by_the_transform_is_differentiated_again():
    def total(x):
        xp = x.__array_namespace__()
        return xp.sum(xp.fft.irfft(xp.fft.rfft(x) ** 3, n=x.shape[-1]) ** 2)

    def slope(x):
        return grad(total)(x)

    for length in (4, 5):
        differences.check_gradients(slope, X.reshape(-1)[:length])


def test_forward_is_the_transform_itself():
    _, tangent = jvp(lambda x: x.__array_namespace__().fft.rfft(x), (X,), (Y,))
    np.testing.assert_allclose(tangent, np.fft.rfft(Y), rtol=0, atol=ROUNDING(np.float64, 5) * np.max(np.abs(Y)) * 5)


def test_frequencies_are_constant():
    def total(x):
        xp = x.__array_namespace__()
        return xp.sum(x * xp.fft.fftfreq(5)) + xp.sum(x[..., :3] * xp.fft.rfftfreq(5, d=2.0))

    want = np.fft.fftfreq(5) + np.concatenate([np.fft.rfftfreq(5, d=2.0), np.zeros(2)])
    np.testing.assert_allclose(grad(total)(X), np.broadcast_to(want, X.shape), rtol=ROUNDING(np.float64, 5))


def test_several_lengths_need_their_axes():
    with pytest.raises(ValueError, match="axes must be given where s is"):
        vjp(transform("rfftn", s=(2, 2)), X, Y)


@pytest.mark.parametrize("library", LIBRARIES[1:])
@pytest.mark.parametrize("name", ONE_AXIS + SEVERAL + SHIFTS)
def test_it_is_the_same_on_every_library(name, library):
    xp = pytest.importorskip(library)

    def pulled(asarray):
        out, pullback = vjp(transform(name), asarray(X), asarray(Y))
        return pullback(tuple(part**2 for part in out))

    for got, want in zip(pulled(xp.asarray), pulled(np.asarray), strict=True):
        assert str(got.dtype).endswith(str(want.dtype))
        scale = max(np.max(np.abs(want)), 1)
        assert np.max(np.abs(np.asarray(got) - want)) <= scale * ROUNDING(np.float64, X.size)
