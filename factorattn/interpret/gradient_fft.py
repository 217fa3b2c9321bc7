"""Derivatives of ``xp.fft``. Fourier transforms are linear, so that each derivative is another one.

    fft    y = F x,                  F symmetric       g -> F g
    rfft   the first half of F x,    x real            g -> Re F (g, 0)
    irfft  from half of a spectrum, z, to real numbers g -> conj(rfft g) w,   w = 1 at frequencies 0 and n / 2, else 2

Where inputs were cut or filled up with zeros to `n`, cotangents are filled up or cut.
"""

from collections.abc import Callable
from typing import Any

from factorattn.interpret.gradient_shapes import cast

__all__ = ["FFT"]

INVERSE = {"backward": "forward", "forward": "backward", "ortho": "ortho"}  # norms of a transform, and of the way back


def _fitted(g, length, axis, xp):
    """Cut along an axis, or filled up with zeros."""
    if g.shape[axis] > length:
        return g[(*(slice(None),) * axis, slice(0, length))]
    if g.shape[axis] == length:
        return g
    gap = (*g.shape[:axis], length - g.shape[axis], *g.shape[axis + 1 :])
    return xp.concat([g, xp.zeros(gap, dtype=g.dtype, device=g.device)], axis=axis)


def _transform(name: str) -> Callable:
    def rule(xp, x, /, *, n=None, axis=-1, norm="backward"):
        length, before, at = x.shape[axis], x.dtype, axis % x.ndim

        def pull(g, xp):
            g = getattr(xp.fft, name)(g, axis=at, norm=norm)
            return cast(_fitted(g, length, at, xp), before, xp=xp)

        return getattr(xp.fft, name)(x, n=n, axis=axis, norm=norm), (pull,)

    return rule


def _rfft(xp, x, /, *, n=None, axis=-1, norm="backward"):
    length, before, at = x.shape[axis], x.dtype, axis % x.ndim
    count = length if n is None else n

    def pull(g, xp):
        g = xp.fft.fft(_fitted(g, count, at, xp), axis=at, norm=norm)
        return cast(_fitted(g, length, at, xp), before, xp=xp)

    return xp.fft.rfft(x, n=n, axis=axis, norm=norm), (pull,)


def _irfft(xp, x, /, *, n=None, axis=-1, norm="backward"):
    length, before, at = x.shape[axis], x.dtype, axis % x.ndim
    out = xp.fft.irfft(x, n=n, axis=axis, norm=norm)
    count = out.shape[at]

    def pull(g, xp):
        half = xp.conj(xp.fft.rfft(g, axis=at, norm=INVERSE[norm]))
        once = (0, count // 2) if count % 2 == 0 else (0,)  # the others stand for their conjugates, too
        k = xp.arange(half.shape[at], device=g.device)
        twice = xp.ones_like(k, dtype=xp.bool)
        for frequency in once:
            twice = twice & (k != frequency)
        weight = 1 + xp.reshape(xp.astype(twice, g.dtype), (-1, *(1,) * (half.ndim - at - 1)))
        half = half * weight
        return cast(_fitted(half, length, at, xp), before, xp=xp)

    return out, (pull,)


def _hfft(xp, x, /, *, n=None, axis=-1, norm="backward"):
    """The same as irfft of the conjugate."""
    _, (pull,) = _irfft(xp, x, n=n, axis=axis, norm=INVERSE[norm])
    return xp.fft.hfft(x, n=n, axis=axis, norm=norm), (lambda g, xp: _conj(pull(g, xp), xp),)


def _ihfft(xp, x, /, *, n=None, axis=-1, norm="backward"):
    """The conjugate of rfft."""
    _, (pull,) = _rfft(xp, x, n=n, axis=axis, norm=INVERSE[norm])
    return xp.fft.ihfft(x, n=n, axis=axis, norm=norm), (lambda g, xp: pull(xp.conj(g), xp),)


def _conj(x, xp):
    return xp.conj(x) if xp.isdtype(x.dtype, "complex floating") else x


def _transforms(name: str) -> Callable:
    """Along several axes: fft or ifft along each."""

    def rule(xp, x, /, *, s=None, axes=None, norm="backward"):
        places, before, dtype = _places(x, s, axes), tuple(x.shape), x.dtype

        def pull(g, xp):
            g = getattr(xp.fft, name)(g, axes=places, norm=norm)
            for at in places:
                g = _fitted(g, before[at], at, xp)
            return cast(g, dtype, xp=xp)

        return getattr(xp.fft, name)(x, s=s, axes=axes, norm=norm), (pull,)

    return rule


def _rfftn(xp, x, /, *, s=None, axes=None, norm="backward"):
    """First rfft along the last axis, then fft along the others."""
    *others, last = places = _places(x, s, axes)
    lengths = [x.shape[at] for at in places] if s is None else list(s)
    half, (by_last,) = _rfft(xp, x, n=lengths[-1], axis=last, norm=norm)
    out, by_others = half, None
    if others:
        out, (by_others,) = _transforms("fftn")(xp, half, s=tuple(lengths[:-1]), axes=tuple(others), norm=norm)
    return out, (lambda g, xp: by_last(g if by_others is None else by_others(g, xp), xp),)


def _irfftn(xp, x, /, *, s=None, axes=None, norm="backward"):
    """First ifft along all axes but the last, then irfft along it."""
    *others, last = _places(x, s, axes)
    lengths = [*(x.shape[at] for at in others), None] if s is None else list(s)
    whole, by_others = x, None
    if others:
        whole, (by_others,) = _transforms("ifftn")(xp, x, s=tuple(lengths[:-1]), axes=tuple(others), norm=norm)
    out, (by_last,) = _irfft(xp, whole, n=lengths[-1], axis=last, norm=norm)

    def pull(g, xp):
        g = by_last(g, xp)
        return g if by_others is None else by_others(g, xp)

    return out, (pull,)


def _places(x, s, axes):
    if axes is None and s is not None:
        raise ValueError(f"axes must be given where s is, got s={tuple(s)}")
    return tuple(range(x.ndim)) if axes is None else tuple(at % x.ndim for at in axes)


def _shift(name: str, back: str) -> Callable:
    def rule(xp, x, /, *, axes=None):
        return getattr(xp.fft, name)(x, axes=axes), (lambda g, xp: getattr(xp.fft, back)(g, axes=axes),)

    return rule


def _frequencies(name: str) -> Callable:
    return lambda xp, n, /, **options: (getattr(xp.fft, name)(n, **options), ())


FFT: dict[str, Callable[..., Any]] = {
    **{name: _transform(name) for name in ("fft", "ifft")},
    **{name: _transforms(name) for name in ("fftn", "ifftn")},
    "rfft": _rfft,
    "irfft": _irfft,
    "hfft": _hfft,
    "ihfft": _ihfft,
    "rfftn": _rfftn,
    "irfftn": _irfftn,
    "fftshift": _shift("fftshift", "ifftshift"),
    "ifftshift": _shift("ifftshift", "fftshift"),
    **{name: _frequencies(name) for name in ("fftfreq", "rfftfreq")},
}
