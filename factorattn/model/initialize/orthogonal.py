"""Orthogonal initialization (Saxe et al. 2013): a layer turns signals and gradients, and leaves their length as it is.

W^T W = gain^2 I   (W W^T for fewer rows than columns)
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from factorattn.factor.directions import orthogonal_gaussian
from factorattn.model.initialize.xavier import floating, sides
from factorattn.scalars import generator, positive

__all__ = ["orthogonal"]


def orthogonal(shape: Sequence[int], *, gain: float = 1.0, rng: Any = None, dtype: Any = "float64") -> np.ndarray:
    """Draw matrices with orthonormal rows or columns, whichever are fewer.

    Parameters
    ----------
    shape : sequence of int, (..., out, in)
    gain : float
        All singular values.
    rng : int, numpy.random.Generator or None
        Source of randomness (SPEC 7).
    dtype : data type
        Real floating. Other dtypes are the same draw, rounded.

    Returns
    -------
    w : ndarray of `shape`
        Uniform among such matrices (Haar).

    Raises
    ------
    ValueError
        If `shape` has fewer than two axes or a negative one, `gain` is not positive, or `dtype` is not floating.

    References
    ----------
    Saxe, McClelland and Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep linear neural
    networks", 2013. arXiv:1312.6120
    """
    out, into = sides(shape)
    short, long = min(out, into), max(out, into)
    scale, rng, kind = positive(gain=gain) / math.sqrt(max(long, 1)), generator(rng), floating(dtype)
    count = math.prod(shape[:-2])
    if short == 0 or count == 0:
        return np.zeros(tuple(shape), kind)
    drawn = np.stack([orthogonal_gaussian(short, long, rng=rng, length="constant") for _ in range(count)])
    drawn = drawn if out <= into else np.swapaxes(drawn, -1, -2)
    return (scale * drawn).reshape(tuple(shape)).astype(kind)
