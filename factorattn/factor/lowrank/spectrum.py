"""How many singular values are enough.

    kept(r) = (s_1^2 + ... + s_r^2) / (s_1^2 + s_2^2 + ...)        error(r)^2 = 1 - kept(r)

Sums are taken from the smallest value on: what is left out is known to all its digits.
"""

from typing import Any

from factorattn.contract import check
from factorattn.scalars import real

__all__ = ["rank_for_energy", "rank_for_error"]

INPUTS = "s: k"


def rank_for_energy(s: Any, energy: float) -> int:
    """The smallest rank that keeps a share of the squared Frobenius norm.

    Parameters
    ----------
    s : array, shape (k,)
        All singular values, falling.
    energy : float, in [0, 1]
        The share. One asks for everything, to the last digit; zero for nothing.

    Returns
    -------
    rank : int
        At least 1.

    Raises
    ------
    ValueError
        If `energy` is outside its range.
    TypeError
        If `s` is not a real floating array, or `energy` no number.

    Notes
    -----
    It reads the values of `s`: there is no counting, tracing or compiling it.
    """
    if not 0 <= real(energy=energy) <= 1:
        raise ValueError(f"energy must be in [0, 1], got {energy!r}")
    left = _left_out(s)
    return _first_at_most(left, (1 - float(energy)) * left[0])


def rank_for_error(s: Any, error: float) -> int:
    """The smallest rank whose best approximation is near enough.

    Parameters
    ----------
    s : array, shape (k,)
        All singular values, falling.
    error : float, >= 0
        What is allowed of the distance in the Frobenius norm, relative to the norm of the matrix.

    Returns
    -------
    rank : int
        At least 1.

    Raises
    ------
    ValueError
        If `error` is negative.
    TypeError
        If `s` is not a real floating array, or `error` no number.

    Notes
    -----
    It reads the values of `s`: there is no counting, tracing or compiling it.
    """
    if real(error=error) < 0:
        raise ValueError(f"error must be 0 or more, got {error!r}")
    left = _left_out(s)
    return _first_at_most(left, float(error) ** 2 * left[0])


def _left_out(s):
    """Squares of what ranks 0, 1, ..., k leave out, in units of the largest singular value."""
    check(INPUTS, s=s)
    values = [float(s[i]) for i in range(s.shape[0])]
    unit = max(values, default=0.0) or 1.0
    left = [0.0]
    for value in reversed(values):
        left.append(left[-1] + (value / unit) ** 2)
    return left[::-1]


def _first_at_most(left, allowed):
    return max(1, next(rank for rank, rest in enumerate(left) if rest <= allowed))
