"""Cost rules of Fourier transforms: 5 n log2(n) operations for length n, half of it where one side is real.

    fft ifft fftn ifftn                 5 n log2(n)
    rfft irfft rfftn irfftn hfft ihfft  5/2 n log2(n)    with n the length on the real side

That is the convention of FFTW's benchmark (www.fftw.org/speed/method.html): about what the radix-2 algorithm takes,
for every length. Along several axes n is the product of the lengths. One transform is rounded up to a whole number of
operations, and batches multiply.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from factorattn.interpret.counting_complex import is_complex, real_dtype

__all__ = ["FFT"]

TO_HALF = ("rfft", "rfftn", "ihfft")  # real numbers to the first half of a symmetric spectrum
TO_REAL = ("irfft", "irfftn", "hfft")  # and back


def _transform(name: str) -> Callable:
    """Along one axis, with `n` and `axis`; `_transforms` is along several."""

    def rule(xp, x, /, *, n=None, axis=-1, norm="backward"):
        axis = normalize_axis_index(axis, x.ndim)
        return _counted(xp, name, x, (axis,), None if n is None else (n,), norm)

    return rule


def _transforms(name: str) -> Callable:
    def rule(xp, x, /, *, s=None, axes=None, norm="backward"):
        if axes is None and s is not None:
            raise ValueError(f"fft.{name} needs axes= where s= is given, got s={tuple(s)}")
        return _counted(xp, name, x, range(x.ndim) if axes is None else normalize_axis_tuple(axes, x.ndim), s, norm)

    return rule


def _counted(xp, name, x, axes, lengths, norm):
    if norm not in ("backward", "ortho", "forward"):
        raise ValueError(f"norm must be 'backward' or 'ortho' or 'forward', got {norm!r}")
    if name in TO_HALF and is_complex(x):
        raise TypeError(f"fft.{name} takes real arrays, got {x.dtype}")
    axes = tuple(axes)
    if lengths is None:
        *others, last = (x.shape[axis] for axis in axes)
        lengths = (*others, 2 * (last - 1) if name in TO_REAL else last)
    if len(lengths) != len(axes) or not all(length >= 1 for length in lengths):
        raise ValueError(f"fft.{name} needs a length of at least 1 for each of the axes {axes}, got {tuple(lengths)}")
    shape = list(x.shape)
    for axis, length in zip(axes, lengths, strict=True):
        shape[axis] = length
    n, entries = math.prod(lengths), math.prod(shape)
    if name in TO_HALF:
        shape[axes[-1]] = lengths[-1] // 2 + 1
    dtype = np.result_type(x.dtype, np.complex64)
    out = xp.array(tuple(shape), real_dtype(dtype) if name in TO_REAL else dtype)
    one = math.ceil((2.5 if name in TO_HALF + TO_REAL else 5) * n * math.log2(n))
    xp.tally.add(f"fft.{name}", "transform", (entries // n * one,), x.nbytes + out.nbytes)
    return out


def _frequencies(name: str) -> Callable:
    def rule(xp, n, /, *, d=1.0, dtype=None, device=None):
        if n < 1:
            raise ValueError(f"fft.{name} needs n of at least 1, got {n}")
        out = xp.array((n if name == "fftfreq" else n // 2 + 1,), xp.float64 if dtype is None else dtype)
        xp.tally.add(f"fft.{name}", "move", (), out.nbytes)
        return out

    return rule


def _shifted(name: str) -> Callable:
    def rule(xp, x, /, *, axes=None):
        normalize_axis_tuple(() if axes is None else axes, x.ndim)
        out = xp.array(x.shape, x.dtype)
        xp.tally.add(f"fft.{name}", "move", (), 2 * out.nbytes)
        return out

    return rule


FFT: dict[str, Callable] = {
    **{name: _transform(name) for name in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")},
    **{name: _transforms(name) for name in ("fftn", "ifftn", "rfftn", "irfftn")},
    **{name: _frequencies(name) for name in ("fftfreq", "rfftfreq")},
    **{name: _shifted(name) for name in ("fftshift", "ifftshift")},
}
