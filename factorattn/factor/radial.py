"""Gaussian radial basis functions on a line, and their means under densities that attention puts there.

    psi_j(t) = N(t; c_j, s_j^2)

    under N(mu, sigma^2)             E psi_j = N(mu; c_j, s_j^2 + sigma^2)
    under the truncated parabola     E psi_j = 3 / (4 s_j h^3) [ (h^2 - z^2 - 1) (Phi(z + h) - Phi(z - h))
                                                 + (h - z) phi(z + h) + (h + z) phi(z - h) ]

where z = (mu - c_j) / s_j, h = a / s_j, and the parabola [a^2 - (t - mu)^2]_+ / (2 sigma^2) reaches to each side as far
as a = (3 sigma^2 / 2)^(1/3). It is 3 (1 - x^2) / (4 a) in x = (t - mu) / a, whatever sigma is (Epanechnikov's kernel).
"""

from typing import Any

import numpy as np

from factorattn.factor.gaussian import normal_density, upper_tail

__all__ = ["DENSITIES", "gaussian_means", "parabola_means", "parabola_reach", "radial_grid"]

NODES, WEIGHTS = np.polynomial.legendre.leggauss(11)


def radial_grid(rank: int, widths: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Centres c and widths s (rank,), float64: every width at each of a row of centres that divides [0, 1] evenly.

    Widths vary fastest. Where the rank is no multiple of their number, the last centre lacks the last widths. A single
    centre is in the middle.
    """
    places = -(-rank // len(widths))
    centres = np.linspace(0.0, 1.0, places) if places > 1 else np.full(1, 0.5)
    return np.repeat(centres, len(widths))[:rank], np.tile(np.asarray(widths, float), places)[:rank]


def gaussian_means(mu: Any, sigma: Any, centres: Any, widths: Any, *, xp: Any) -> Any:
    """Means of r basis functions under N(mu, sigma^2): mu and sigma (..., n) give (..., n, r). Zero is a point."""
    mu, sigma = mu[..., None], sigma[..., None]  # (..., n, 1)
    spread = xp.sqrt(sigma * sigma + widths * widths)  # (..., n, r)
    return normal_density((mu - centres) / spread, xp=xp) / spread


def parabola_means(mu: Any, sigma: Any, centres: Any, widths: Any, *, xp: Any) -> Any:
    """Means of r basis functions under a truncated parabola: mu and sigma (..., n) give (..., n, r)."""
    h = parabola_reach(sigma)[..., None] / widths  # (..., n, r)
    z = xp.abs(mu[..., None] - centres) / widths  # the mean is even in z
    wide = _closed(z, xp.where(h > 1.0, h, 1.0), xp=xp)
    return xp.where(h > 1.0, wide, _summed(z, xp.where(h > 1.0, 1.0, h), xp=xp)) / widths


def parabola_reach(sigma: Any) -> Any:
    """How far to each side of its mean the truncated parabola is positive."""
    return (1.5 * sigma * sigma) ** (1.0 / 3.0)


def _closed(z: Any, h: Any, *, xp: Any) -> Any:
    """The formula, with the difference of Phi taken in the tail. For small h its terms would cancel."""
    between = upper_tail(z - h, xp=xp) - upper_tail(z + h, xp=xp)
    ends = (h - z) * normal_density(z + h, xp=xp) + (h + z) * normal_density(z - h, xp=xp)
    return 0.75 * (((h - z) * (h + z) - 1.0) * between + ends) / (h * h * h)


def _summed(z: Any, h: Any, *, xp: Any) -> Any:
    """Gauss-Legendre quadrature of 3/4 (1 - x^2) phi(z + h x) over -1 .. 1, exact to rounding for h <= 1."""
    total = xp.zeros_like(z + h)
    for x, weight in zip(NODES.tolist(), WEIGHTS.tolist(), strict=True):
        total = total + 0.75 * weight * (1.0 - x * x) * normal_density(z + h * x, xp=xp)
    return total


DENSITIES = {"gaussian": gaussian_means, "parabola": parabola_means}
