"""What is left of a matrix when its part in a subspace is taken away, without making the rest (Pythagoras).

    |A - F|_F^2 = |A|_F^2 - |F|_F^2        for F = Q Q^H A, and for the best part of a given rank of it

The difference of two numbers near |A|^2 is off by some eps |A|^2, and is widened by that.
"""

import math
from typing import Any

from factorattn.primitives.tiles import scan_tiles

__all__ = ["left_out", "rest_bound"]

TILE = 2**17  # entries of A at a time: they stay near the processor


def left_out(s: Any, rank: int, *, xp: Any) -> Any:
    """The length (...) of the singular values s (..., k) after the first `rank`."""
    rest = s[..., min(rank, s.shape[-1]) :]
    if rest.shape[-1] == 0:
        return xp.zeros(tuple(rest.shape[:-1]), dtype=s.dtype, device=s.device)
    unit = xp.where(rest[..., :1] > 0, rest[..., :1], xp.ones_like(rest[..., :1]))  # squares must not overflow
    return (unit * xp.linalg.vector_norm(rest / unit, axis=-1, keepdims=True))[..., 0]


def rest_bound(a: Any, s: Any, *, xp: Any) -> Any:
    """A bound (...) on |A - F|_F, for A (..., p, q) and all singular values s (..., r) of F.

    Lengths are measured in units of the largest singular value, so that squares neither overflow nor vanish. What
    cannot be seen is an error below eps^(1/2) (p or q)^(1/4) |A|_F: rounding of sums, as a random walk (Higham and Mary
    2019).
    """
    unit = xp.where(s[..., :1] > 0, s[..., :1], xp.ones_like(s[..., :1]))  # (..., 1)
    *batch, p, q = a.shape
    conjugate, real = (xp.conj, xp.real) if xp.isdtype(a.dtype, "complex floating") else (_same, _same)

    def step(total, rows):
        x = xp.reshape(a[..., rows, :] / unit[..., None], (*batch, 1, -1))
        return total + real(conjugate(x) @ x.mT)[..., 0], None  # (..., 1)

    rows = max(1, TILE // (math.prod(batch) * q))
    whole, _ = scan_tiles(step, xp.zeros_like(unit), 0, p, rows, xp=xp)
    rest = whole - xp.sum((s / unit) ** 2, axis=-1, keepdims=True)
    lost = float(xp.finfo(s.dtype).eps) * math.sqrt(max(p, q))
    return (unit * xp.sqrt(xp.maximum(rest, xp.zeros_like(rest)) + lost * whole))[..., 0]


def _same(x):
    return x
