"""Generalized features: a function of random projections, for attention kernels other than the exponential.

    phi(x) = (f(omega_1 . x) + epsilon, ..., f(omega_r . x) + epsilon) / sqrt(r)

The kernel phi(x) . phi(y) is whatever f makes of it (Choromanski et al. 2021: "generalized attention"); it estimates no
softmax. For omega the identity the projections are the entries of x themselves.
"""

from collections.abc import Callable
from typing import Any

__all__ = ["GENERALIZED", "generalized_features"]


def generalized_features(x: Any, omega: Any, f: str, epsilon: float, *, xp: Any) -> tuple[Any, Any]:
    """Features of the rows of x (..., n, d), as f (..., n, r) and log scale s (..., n, 1); `f` names a function.

    `epsilon` keeps weights of functions that are never negative above zero.
    """
    z = x @ omega.mT  # (..., n, r)
    zero = xp.zeros_like(z[..., :1])
    # The exponential is the one that overflows: its largest entry stays apart.
    s = xp.maximum(xp.max(z, axis=-1, keepdims=True), zero) if f == "exp" else zero  # (..., n, 1)
    values = GENERALIZED[f](z - s, xp) + epsilon * xp.exp(-s)
    return values * omega.shape[-2] ** -0.5, s


GENERALIZED: dict[str, Callable[[Any, Any], Any]] = {
    "relu": lambda z, xp: xp.maximum(z, xp.zeros_like(z)),
    "exp": lambda z, xp: xp.exp(z),
    "sigmoid": lambda z, xp: xp.tanh(z / 2) / 2 + 0.5,
    "abs": lambda z, xp: xp.abs(z),
    "cos": lambda z, xp: xp.cos(z),
    "tanh": lambda z, xp: xp.tanh(z),
    "identity": lambda z, xp: z,
}
