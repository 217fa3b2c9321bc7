"""QR with column pivoting by LAPACK's xGEQP3, through SciPy: all steps at once, of which the first ones are kept.

LAPACK brings norms up to date by subtraction and takes them anew where that has cost half of the digits (Drmac and
Bujanovic 2008).
"""

import math

import numpy as np
from scipy.linalg import qr

from factorattn.primitives.dispatch import Unsupported

__all__ = ["pivoted_qr"]

FEW = 64  # one step is no slower than all, with so many columns to take


def pivoted_qr(a, steps):
    """See `factorattn.primitives.pivoted_qr.pivoted_qr`."""
    if a.dtype.char not in "fdFD":
        raise Unsupported(f"LAPACK has no {a.dtype}")
    *batch, p, n = a.shape
    if steps * FEW < min(p, n):
        raise Unsupported(f"{steps} of {min(p, n)} steps are taken one by one")
    out = [_one(member, steps) for member in a.reshape(math.prod(batch), p, n)]
    if not out:
        out_shapes = ((p, steps), (steps, n), (n,), ())
        empty = zip(out_shapes, (a.dtype, a.dtype, np.int64, a.real.dtype), strict=True)
        return tuple(np.empty((*batch, *shape), dtype) for shape, dtype in empty)
    q, r, order, rest = (np.stack(parts) for parts in zip(*out, strict=True))
    return tuple(x.reshape((*batch, *x.shape[1:])) for x in (q, r, order.astype(np.int64), rest))


def _one(a, steps):
    if 0 in a.shape:
        p, n = a.shape
        return np.zeros((p, 0), a.dtype), np.zeros((0, n), a.dtype), np.arange(n), a.real.dtype.type(0)
    q, r, order = qr(a, mode="economic", pivoting=True, check_finite=False)
    return q[:, :steps], r[:steps], order, np.linalg.norm(r[steps:]).astype(a.real.dtype)
