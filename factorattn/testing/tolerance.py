"""The three tolerances that tests may use. A number written into a test is not one of them.

`ROUNDING`  two sound computations of the same thing in floating point
`BOUND`     a theorem's bound, met up to rounding
`CHANCE`    a sample mean against its expectation
"""

import math

import numpy as np

__all__ = ["BOUND", "CHANCE", "ROUNDING"]

_SPREAD = (
    16  # unit roundings per sqrt(length): an inner product, an exponential and a division, each in both computations
)
_DEVIATIONS = 5  # standard errors: a false alarm once in 1.7 million draws


def ROUNDING(dtype, length: int) -> float:
    """Relative error allowed between two sound computations that add up `length` terms, relative to the largest entry.

    Rounding errors of a sum behave like a random walk (Higham and Mary 2019), hence the square root.
    """
    return _SPREAD * float(np.finfo(dtype).eps) * math.sqrt(max(length, 1))


def BOUND(value: float, dtype=np.float64, length: int = 1) -> float:
    """A theoretical upper bound, widened by the rounding of what is compared with it."""
    return value * (1 + ROUNDING(dtype, length))


def CHANCE(samples) -> float:
    """Five standard errors of the mean of `samples`: how far a mean may lie from its expectation, at a fixed seed."""
    samples = np.asarray(samples)
    return _DEVIATIONS * float(np.std(samples, ddof=1)) / math.sqrt(samples.size)
