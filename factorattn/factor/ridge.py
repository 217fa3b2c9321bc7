"""Ridge regression on radial basis functions: a sequence of vectors as one smooth function of time.

    min_B |F B - V|^2 + lambda |B|^2,   F_lj = psi_j(t_l)   gives   B = G^T V,   G = F (F^T F + lambda I)^(-1)

G depends on times and basis alone, not on what is fitted, so it is found once, in float64, from the singular value
decomposition of F: F = U diag(s) W^T gives G = U diag(s / (s^2 + lambda)) W^T. Normal equations would lose half the
digits, since neighbouring basis functions are nearly alike.
"""

from functools import lru_cache

import numpy as np

from factorattn.factor.radial import gaussian_means, radial_grid

__all__ = ["contraction_operator", "ridge_operator", "sequence_operator"]


def ridge_operator(times: np.ndarray, rank: int, widths: tuple[float, ...], ridge: float) -> np.ndarray:
    """The (m, rank) float64 matrix G that takes values at m times to coefficients, ``B = G.T @ V``.

    Parameters
    ----------
    times : ndarray, shape (m,)
        When the values are; the basis functions have their centres in 0 .. 1.
    rank : int
        Number of basis functions (see `factorattn.factor.radial.radial_grid`).
    widths : tuple of float
        Their standard deviations.
    ridge : float
        The penalty lambda, above zero.
    """
    times = np.asarray(times, float)
    design = gaussian_means(times, np.zeros_like(times), *radial_grid(rank, widths), xp=np)  # (m, r)
    u, s, wt = np.linalg.svd(design, full_matrices=False)
    return (u * (s / (s * s + ridge))) @ wt


def sequence_operator(m: int, rank: int, widths: tuple[float, ...], ridge: float) -> np.ndarray:
    """`ridge_operator` for m values at 1/m, 2/m, ..., 1. It is kept for the next call, and what is returned a copy."""
    return _kept(0, m, 0.0, rank, widths, ridge).copy()


def contraction_operator(
    p: int, m: int, contraction: float, rank: int, widths: tuple[float, ...], ridge: float
) -> np.ndarray:
    """`ridge_operator` for p values at equal steps up to `contraction`, and m at equal steps from there up to 1."""
    return _kept(p, m, contraction, rank, widths, ridge).copy()


@lru_cache(maxsize=64)
def _kept(p: int, m: int, contraction: float, rank: int, widths: tuple[float, ...], ridge: float) -> np.ndarray:
    old = contraction * np.arange(1, p + 1) / max(p, 1)
    new = contraction + (1.0 - contraction) * np.arange(1, m + 1) / max(m, 1)
    return ridge_operator(np.concatenate([old, new]), rank, widths, ridge)
