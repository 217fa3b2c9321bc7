"""The error function and the normal distribution, for any array namespace.

    erf(x) = 2 / sqrt(pi) int_0^x exp(-t^2) dt,   erfc(x) = 1 - erf(x),   upper_tail(x) = P(N(0, 1) > x)

How they are computed is told in `factorattn.primitives.erf`.
"""

import math
from typing import Any

from factorattn.primitives import erf as primitives

__all__ = ["erf", "erfc", "normal_density", "upper_tail"]


def erf(x: Any, *, xp: Any) -> Any:
    """The error function, entry by entry, to a few units in the last place."""
    return primitives.erf(x)


def erfc(x: Any, *, xp: Any) -> Any:
    """One minus the error function, with its relative accuracy kept where it is small."""
    return primitives.erfc(x)


def upper_tail(x: Any, *, xp: Any) -> Any:
    """The probability that a standard normal number exceeds x."""
    return 0.5 * erfc(x * math.sqrt(0.5), xp=xp)


def normal_density(x: Any, *, xp: Any) -> Any:
    """The standard normal density at x."""
    return xp.exp(-0.5 * x * x) * (1.0 / math.sqrt(2.0 * math.pi))
