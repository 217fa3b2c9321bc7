"""Random features: a kernel of two vectors as the inner product of two longer ones (Choromanski et al. 2021).

    exp(x . y) = E[ phi(x) . phi(y) ],   phi(x) = e^s f,   s apart so that f neither overflows nor vanishes

    positive        phi(x) = exp(-|x|^2 / 2) / sqrt(r)     (exp(omega_1 . x), ..., exp(omega_r . x))
    hyperbolic      phi(x) = exp(-|x|^2 / 2) / sqrt(2 r)   (exp(omega_1 . x), ..., exp(-omega_1 . x), ...)
    trigonometric   phi(x) = exp(+|x|^2 / 2) / sqrt(r)     (sin(omega_1 . x), ..., cos(omega_1 . x), ...)

with omega_1 ... omega_r as drawn in `factorattn.factor.directions`: each standard normal, any two of them orthogonal
or independent. They are an array (r, d), or factored, as `factorattn.factor.hadamard_directions` draws them.
"""

from typing import Any

from factorattn.factor.factored import times

__all__ = ["FEATURES", "hyperbolic_features", "positive_features", "trigonometric_features"]


def positive_features(x: Any, omega: Any, *, xp: Any) -> tuple[Any, Any]:
    """Positive features of the rows of x (..., n, d): f (..., n, r) in [0, 1 / sqrt(r)] and log scale s (..., n, 1)."""
    return _exponentials(times(x, omega.mT), x, xp=xp)


def hyperbolic_features(x: Any, omega: Any, *, xp: Any) -> tuple[Any, Any]:
    """Positive features for omega and for -omega, (..., n, 2 r), and log scale: their product is a mean of cosh."""
    z = times(x, omega.mT)  # (..., n, r)
    return _exponentials(xp.concat([z, -z], axis=-1), x, xp=xp)


def trigonometric_features(x: Any, omega: Any, *, xp: Any) -> tuple[Any, Any]:
    """Trigonometric features of the rows of x (..., n, d): f (..., n, 2 r) and log scale s (..., n, 1)."""
    angle = times(x, omega.mT)  # (..., n, r)
    f = xp.concat([xp.sin(angle), xp.cos(angle)], axis=-1) * omega.shape[-2] ** -0.5  # (..., n, 2 r)
    return f, xp.sum(x * x, axis=-1, keepdims=True) / 2


def _exponentials(z: Any, x: Any, *, xp: Any) -> tuple[Any, Any]:
    """exp(z - |x|^2 / 2) over the root of their number, the largest of each row apart."""
    top = xp.max(z, axis=-1, keepdims=True)  # (..., n, 1)
    return xp.exp(z - top) * z.shape[-1] ** -0.5, top - xp.sum(x * x, axis=-1, keepdims=True) / 2


FEATURES = {
    "positive": positive_features,
    "trigonometric": trigonometric_features,
    "hyperbolic": hyperbolic_features,
}
