"""QR decomposition by LAPACK's xGEQRF and xUNGQR, through SciPy, in the precision of the array.

NumPy converts single precision to double, and copies each matrix twice to turn it; that is most of its time.
"""

import math

import numpy as np
from scipy.linalg import qr

from factorattn.primitives.dispatch import Unsupported

__all__ = ["thin_qr"]


def thin_qr(a):
    """See `factorattn.primitives.thin_qr.thin_qr`."""
    if a.dtype.char not in "fdFD":
        raise Unsupported(f"LAPACK has no {a.dtype}")
    if a.size == 0:
        raise Unsupported("there is nothing to decompose")
    if a.ndim == 2:
        return qr(a, mode="economic", check_finite=False)
    *batch, p, q = a.shape
    out = [qr(member, mode="economic", check_finite=False) for member in a.reshape(math.prod(batch), p, q)]
    return tuple(np.stack(parts).reshape((*batch, *parts[0].shape)) for parts in zip(*out, strict=True))
