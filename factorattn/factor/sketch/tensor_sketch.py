"""TensorSketch: features of the polynomial kernel, by the convolution of CountSketches.

    (x . y)^t = E[ phi(x) . phi(y) ],   phi(x) = F^-1 ( F S_1 x * F S_2 x * ... * F S_t x )

with independent CountSketches S_1 ... S_t (r, p), the discrete Fourier transform F and products entry by entry.

phi(x) is the CountSketch of all p^t products x_i x_j ..., into buckets h_1(i) + h_2(j) + ... modulo r, of which none is
ever written out.
"""

import math
from dataclasses import dataclass
from typing import Any

from factorattn.factor.sketch.count_sketch import count_sketch
from factorattn.factor.sketch.kinds import Sketch
from factorattn.scalars import generator, whole

__all__ = ["TensorSketch", "tensor_sketch"]


@dataclass(frozen=True, eq=False)
class TensorSketch:
    """Features of the kernel (x . y)^t, for t `sketches` of shape (r, p)."""

    sketches: tuple[Sketch, ...]

    def features(self, x: Any) -> Any:
        """Features of the rows of x (..., n, p): (..., n, r). Needs the ``fft`` extension of the array API."""
        xp, r = self.sketches[0].__array_namespace__(), self.sketches[0].shape[0]
        product = None
        for sketch in self.sketches:
            spectrum = xp.fft.rfft(sketch.matmat(x.mT), axis=-2)  # (..., r // 2 + 1, n)
            product = spectrum if product is None else product * spectrum
        return xp.fft.irfft(product, n=r, axis=-2).mT

    def variance(self, x: Any, y: Any) -> Any:
        """The variance of phi(x) . phi(y) over all draws, for the rows of x and y (..., n, p): (..., n).

        It is at most (3^t - 1) / r times (|x| |y|)^(2t).
        """
        xp, r, t = self.sketches[0].__array_namespace__(), self.sketches[0].shape[0], len(self.sketches)
        square = xp.sum(x * y, axis=-1) ** 2
        same = xp.sum(x * x * y * y, axis=-1)
        apart, swapped = xp.sum(x * x, axis=-1) * xp.sum(y * y, axis=-1) - same, square - same
        own = math.gcd(2, r)  # frequencies that are their own negatives
        one = (square + apart) ** t + (square + swapped) ** t - 2 * square**t
        both = (square + apart + swapped) ** t - square**t
        return ((r - own) * one + own * both) / r**2


def tensor_sketch(r: int, p: int, degree: int, *, like: Any, rng: Any = None) -> TensorSketch:
    """Draw random features of the polynomial kernel (x . y)^t.

    Parameters
    ----------
    r, p : int
        Vectors of size p get r features.
    degree : int
        t, at least 1; with 1 it is a CountSketch.
    like : array
        Real. The features have its library, its device and its dtype, but single precision at the least.
    rng : int, numpy.random.Generator or None
        Source of randomness (SPEC 7).

    Returns
    -------
    sketch : TensorSketch
        Its method ``features`` maps rows (..., n, p) to (..., n, r), in about 2 t p + 5/2 (t + 1) r log2(r) operations.
        Features of x and of y must be those of one draw. Its method ``variance`` tells how far the kernel is off.

    Raises
    ------
    ValueError
        If `r` or `degree` is below 1, or `p` below 0.
    TypeError
        If a size is no integer, `like` is not a real floating array, or `rng` no source of randomness.

    Notes
    -----
    For the kernel (x . y + c)^t append the entry sqrt(c) to all vectors.

    References
    ----------
    Pham and Pagh, "Fast and Scalable Polynomial Kernels via Explicit Feature Maps", KDD 2013. Avron, Nguyen and
    Woodruff, "Subspace Embeddings for the Polynomial Kernel", NIPS 2014.
    """
    if whole(degree=degree) < 1:
        raise ValueError(f"degree must be at least 1, got {degree!r}")
    rng = generator(rng)
    sketches = tuple(count_sketch(r, p, like=like, rng=rng) for _ in range(whole(degree=degree)))
    if sketches[0].__array_namespace__().isdtype(sketches[0].dtype, "complex floating"):
        raise TypeError(f"like must have a real floating dtype, got {like.dtype}: the features are real")
    return TensorSketch(sketches)
