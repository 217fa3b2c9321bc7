"""Xavier initialization (Glorot and Bengio 2010): signals and gradients keep their variance from layer to layer.

Var W = 2 / (in + out)
uniform   W_ij in +- gain sqrt(6 / (in + out))
normal    W_ij ~ N(0, gain^2 2 / (in + out))
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from factorattn.scalars import generator, positive, whole

__all__ = ["xavier_normal", "xavier_uniform"]


def xavier_uniform(shape: Sequence[int], *, gain: float = 1.0, rng: Any = None, dtype: Any = "float64") -> np.ndarray:
    """Draw uniform weights.

    Parameters
    ----------
    shape : sequence of int, (..., out, in)
    gain : float
        Factor of the weights, for what comes after them.
    rng : int, numpy.random.Generator or None
        Source of randomness (SPEC 7).
    dtype : data type
        Real floating. Other dtypes are the same draw, rounded.

    Returns
    -------
    w : ndarray of `shape`

    Raises
    ------
    ValueError
        If `shape` has fewer than two axes or a negative one, `gain` is not positive, or `dtype` is not floating.

    References
    ----------
    Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010, equation 16.

    Examples
    --------
    >>> float(abs(xavier_uniform((300, 100), rng=0)).max()) < (6 / 400) ** 0.5
    True
    """
    bound = positive(gain=gain) * math.sqrt(3.0) * _deviation(shape)
    return generator(rng).uniform(-bound, bound, tuple(shape)).astype(floating(dtype))


def xavier_normal(shape: Sequence[int], *, gain: float = 1.0, rng: Any = None, dtype: Any = "float64") -> np.ndarray:
    """Draw normal weights.

    Parameters
    ----------
    shape : sequence of int, (..., out, in)
    gain : float
        Factor of the weights, for what comes after them.
    rng : int, numpy.random.Generator or None
        Source of randomness (SPEC 7).
    dtype : data type
        Real floating. Other dtypes are the same draw, rounded.

    Returns
    -------
    w : ndarray of `shape`

    Raises
    ------
    ValueError
        If `shape` has fewer than two axes or a negative one, `gain` is not positive, or `dtype` is not floating.

    References
    ----------
    Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010, equation 12.
    """
    return generator(rng).normal(0.0, positive(gain=gain) * _deviation(shape), tuple(shape)).astype(floating(dtype))


def floating(dtype: Any) -> np.dtype:
    """A real floating dtype of NumPy. ValueError for others."""
    found = np.dtype(dtype)
    if found.kind != "f":
        raise ValueError(f"dtype must be real floating, got {found}")
    return found


def sides(shape: Sequence[int]) -> tuple[int, int]:
    """Sizes out and in. ValueError unless there are two axes, none of them negative."""
    if len(shape) < 2 or any(whole(length=length) < 0 for length in shape):
        raise ValueError(f"shape must be (..., out, in), got {tuple(shape)}")
    return shape[-2], shape[-1]


def _deviation(shape: Sequence[int]) -> float:
    return math.sqrt(2.0 / max(sum(sides(shape)), 1))
