"""The Gaussian error linear unit (Hendrycks and Gimpel 2016): x times the chance that a normal number is below it.

    gelu(x) = x Phi(x) = x (1 + erf(x / sqrt(2))) / 2

This is the definition; "gelu_new" and "gelu_fast" of other libraries are approximations by tanh.
"""

import math
from typing import Any

from factorattn.primitives.erf import erf

__all__ = ["gelu"]


def gelu(x: Any, *, xp: Any) -> Any:
    """The product x Phi(x), entry by entry."""
    return 0.5 * x * (1.0 + erf(x * math.sqrt(0.5)))
