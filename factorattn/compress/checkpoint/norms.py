"""Norms of a matrix that neither overflow nor need another matrix of its size."""

import math
from typing import Any

import numpy as np

from factorattn.scalars import generator

__all__ = ["frobenius_norm", "spectral_norm"]

BLOCK = 2**20  # entries that are squared at a time
SMALL = 64  # of the shorter side, up to which LAPACK is as fast
TOLERANCE = 1e-5  # relative, of the largest eigenvalue of A^H A: half of it in the norm


def frobenius_norm(a: np.ndarray) -> float:
    """|A|_F of a real matrix, summed in double precision."""
    scale = _scale(a)
    if scale == 0:
        return 0.0
    rows = max(1, BLOCK // max(1, a.shape[1]))
    parts = (a[i : i + rows].astype(np.float64) / scale for i in range(0, a.shape[0], rows))
    return scale * math.sqrt(math.fsum(float(np.vdot(part, part)) for part in parts))


def spectral_norm(a: np.ndarray, *, rng: Any = 0) -> float:
    """|A|_2 of a real matrix, by Lanczos from a random vector; by LAPACK where the shorter side is short.

    Lanczos stops at a relative residual of 1e-5 of the eigenvalue |A|_2^2; what it finds is never above the norm but by
    rounding.
    """
    from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

    scale = _scale(a)
    if scale == 0:
        return 0.0
    unit = a / np.asarray(scale, dtype=a.dtype)  # by a power of two
    if min(a.shape) <= SMALL:
        return scale * float(np.linalg.svd(unit, compute_uv=False)[0])
    if a.shape[0] < a.shape[1]:
        unit = unit.T
    size = unit.shape[1]

    def gram(x: np.ndarray) -> np.ndarray:
        return (unit.T @ (unit @ x.astype(unit.dtype))).astype(np.float64)

    start = generator(rng).standard_normal(size)
    operator = LinearOperator((size, size), matvec=gram, dtype=np.float64)
    try:
        (largest,) = eigsh(operator, k=1, v0=start, tol=TOLERANCE, return_eigenvectors=False)
    except ArpackNoConvergence:
        return scale * float(np.linalg.svd(unit, compute_uv=False)[0])
    return scale * math.sqrt(max(0.0, float(largest)))


def _scale(a: np.ndarray) -> float:
    """A power of two near the largest entry; 0 for a zero or an empty matrix."""
    largest = max(float(a.max()), -float(a.min())) if a.size else 0.0
    return math.ldexp(1.0, math.frexp(largest)[1] - 1) if largest else 0.0
