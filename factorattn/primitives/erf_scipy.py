"""The error function of SciPy."""

import numpy as np
from scipy import special

from factorattn.primitives.dispatch import Unsupported

__all__ = ["erf"]


def erf(x, /):
    """See `factorattn.primitives.erf.erf`; float32 and float64 NumPy arrays."""
    if x.dtype.type not in (np.float32, np.float64):
        raise Unsupported(f"SciPy computes in float32 and float64, got {x.dtype}")
    return special.erf(x)
