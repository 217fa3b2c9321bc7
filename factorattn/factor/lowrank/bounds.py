"""How far the randomized singular value decomposition may be off on average (Halko, Martinsson and Tropp 2011).

    E |A - F|_F^2 <= (1 + (s_{r+1} / s_r)^(4 power) r / (oversampling - 1)) (s_{r+1}^2 + s_{r+2}^2 + ...)

F is the result for a Gaussian sketch; what stands last is the squared error of the best matrix of rank r.
"""

import math
from typing import Any

import array_api_compat

from factorattn.contract import check
from factorattn.scalars import whole

__all__ = ["expected_frobenius_bound", "expected_spectral_bound"]

INPUTS = "s: ... k, rank = r"


def expected_frobenius_bound(s: Any, rank: int, oversampling: int, *, power: int = 0) -> Any:
    """Bound the mean error of `randomized_svd` in the Frobenius norm.

    Parameters
    ----------
    s : array, shape (..., k)
        All singular values of the matrix, falling.
    rank : int
        Triplets that are kept, r.
    oversampling : int, >= 2
    power : int, >= 0

    Returns
    -------
    bound : array, shape (...)

    Raises
    ------
    ValueError
        If an integer is too small.
    TypeError
        If `s` is not a real floating array, or an integer is none.

    Notes
    -----
    Theorem 10.5 of [1]_ for the error of the projection and no power, extended to the truncated result and to powers:
    the derivation is in the documentation of the family. The mean of the error is no more than the root of the mean of
    its square, which is bounded.

    References
    ----------
    .. [1] Halko, Martinsson and Tropp, "Finding Structure with Randomness: Probabilistic Algorithms for Constructing
       Approximate Matrix Decompositions", SIAM Review 53(2), 2011, pages 217-288. arXiv:0909.4061
    """
    xp, r, oversampling, power, unit, s = _admit(s, rank, oversampling, power)
    first, last = _beside(s, r, xp=xp)
    fall = xp.where(last > 0, first / xp.where(last > 0, last, 1.0), 0.0)
    factor = 1 + fall ** (4 * power) * (r / (oversampling - 1))
    return unit * xp.sqrt(factor * xp.sum(s[..., r:] ** 2, axis=-1))


def expected_spectral_bound(s: Any, rank: int, oversampling: int, *, power: int = 0) -> Any:
    """Bound the mean error of `randomized_svd` in the spectral norm.

    Parameters
    ----------
    s : array, shape (..., k)
        All singular values of the matrix, falling.
    rank : int
        Triplets that are kept, r.
    oversampling : int, >= 2
    power : int, >= 0

    Returns
    -------
    bound : array, shape (...)

    Raises
    ------
    ValueError
        If an integer is too small.
    TypeError
        If `s` is not a real floating array, or an integer is none.

    Notes
    -----
    Corollary 10.10 of [1]_ (Theorem 10.6 for no power) for the error of the projection, and the singular value s_{r+1}
    beside it for leaving out all but r triplets (Theorem 9.3).

    References
    ----------
    .. [1] Halko, Martinsson and Tropp, "Finding Structure with Randomness: Probabilistic Algorithms for Constructing
       Approximate Matrix Decompositions", SIAM Review 53(2), 2011, pages 217-288. arXiv:0909.4061
    """
    xp, r, oversampling, power, unit, s = _admit(s, rank, oversampling, power)
    first, _ = _beside(s, r, xp=xp)
    # In units of s_{r+1}: high powers of the others vanish where they do not matter.
    rest = xp.where(first > 0, first, 1.0)
    tail = xp.sqrt(xp.sum((s[..., r:] / rest[..., None]) ** (2 * (2 * power + 1)), axis=-1))
    wide = math.e * math.sqrt(r + oversampling) / oversampling
    factor = 1 + math.sqrt(r / (oversampling - 1)) + wide * tail
    return unit * first * (1 + factor ** (1 / (2 * power + 1)))


def _admit(s, rank, oversampling, power):
    xp, size = check(INPUTS, s=s, rank=rank)
    for name, value, least in (("oversampling", oversampling, 2), ("power", power, 0)):
        if whole(**{name: value}) < least:
            raise ValueError(f"{name} must be {least} or more, got {value}")
    unit = s[..., 0] if size["k"] else xp.zeros(s.shape[:-1], dtype=s.dtype, device=array_api_compat.device(s))
    safe = xp.where(unit > 0, unit, 1.0)
    return xp, size["r"], whole(oversampling=oversampling), whole(power=power), unit, s / safe[..., None]


def _beside(s, r, *, xp):
    """The singular values s_{r+1}, the first that is left out, and s_r; zero beyond the last."""
    nothing = xp.zeros((*s.shape[:-1], 1), dtype=s.dtype, device=array_api_compat.device(s))
    last = xp.concat([s, nothing], axis=-1)
    count = s.shape[-1]
    return last[..., min(r, count)], last[..., min(r - 1, count)]
