"""The Gaussian error linear unit (Hendrycks and Gimpel 2016): x times the chance that a normal number is below it.

    gelu(x) = x Phi(x) = x (1 + erf(x / sqrt(2))) / 2

This is the definition; "gelu_new" and "gelu_fast" of other libraries are approximations by tanh.
"""

import math
from typing import Any

import array_api_compat

from factorattn.factor import gaussian

__all__ = ["gelu"]


def gelu(x: Any, *, xp: Any) -> Any:
    """The product x Phi(x), entry by entry."""
    return 0.5 * x * (1.0 + _erf(x * math.sqrt(0.5), xp=xp))


def _erf(x: Any, *, xp: Any) -> Any:
    """The error function, of the array's own library where it has one: several times as fast."""
    if array_api_compat.is_numpy_namespace(xp):
        from scipy.special import erf  # importing the library stays light

        return erf(x)
    return xp.special.erf(x) if array_api_compat.is_torch_namespace(xp) else gaussian.erf(x, xp=xp)
