"""Random features: a kernel of two vectors as the inner product of two longer ones (Choromanski et al. 2021).

    exp(x . y) = E[ phi(x) . phi(y) ],   phi(x) = e^s f,   s apart so that f neither overflows nor vanishes

    positive        phi(x) = exp(-|x|^2 / 2) / sqrt(r)  (exp(omega_1 . x), ..., exp(omega_r . x))
    trigonometric   phi(x) = exp(+|x|^2 / 2) / sqrt(r)  (sin(omega_1 . x), ..., cos(omega_1 . x), ...)

with omega_1 ... omega_r standard normal, independent or orthogonal within blocks of d.
"""

from typing import Any

import numpy as np

from factorattn.scalars import generator

__all__ = ["FEATURES", "orthogonal_gaussian", "positive_features", "trigonometric_features"]


def positive_features(x: Any, omega: Any, *, xp: Any) -> tuple[Any, Any]:
    """Positive features of the rows of x (..., n, d): f (..., n, r) in [0, 1 / sqrt(r)] and log scale s (..., n, 1)."""
    h = x @ omega.mT - xp.sum(x * x, axis=-1, keepdims=True) / 2  # (..., n, r)
    s = xp.max(h, axis=-1, keepdims=True)  # (..., n, 1)
    return xp.exp(h - s) * omega.shape[-2] ** -0.5, s


def trigonometric_features(x: Any, omega: Any, *, xp: Any) -> tuple[Any, Any]:
    """Trigonometric features of the rows of x (..., n, d): f (..., n, 2 r) and log scale s (..., n, 1)."""
    angle = x @ omega.mT  # (..., n, r)
    f = xp.concat([xp.sin(angle), xp.cos(angle)], axis=-1) * omega.shape[-2] ** -0.5  # (..., n, 2 r)
    return f, xp.sum(x * x, axis=-1, keepdims=True) / 2


FEATURES = {"positive": positive_features, "trigonometric": trigonometric_features}


def orthogonal_gaussian(r: int, d: int, *, rng: Any = None) -> np.ndarray:
    """Draw r standard normal vectors of size d, orthogonal within each block of d.

    Parameters
    ----------
    r, d : int
        Number of vectors and their size.
    rng : int, numpy.random.Generator or None
        Source of randomness (SPEC 7).

    Returns
    -------
    omega : ndarray, shape (r, d), float64
        Directions are Haar-distributed, lengths are those of independent normal vectors: each row by itself is N(0, I).
    """
    rng = generator(rng)
    omega = np.empty((r, d))  # first, so that a size that does not fit fails at once
    for start in range(0, r, max(d, 1)):
        directions, upper = np.linalg.qr(rng.standard_normal((d, d)))
        directions *= np.sign(np.diagonal(upper))  # Haar needs the signs of R (Mezzadri 2007)
        omega[start : start + d] = directions.T[: r - start]
    omega *= np.linalg.norm(rng.standard_normal((r, d)), axis=1)[:, None]
    return omega
