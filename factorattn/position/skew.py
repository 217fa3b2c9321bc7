"""Skewing (Huang et al. 2018): from queries by distances to queries by keys, by reading one row length further.

    out[i, j] = x[i, n - 1 - i + j],   and zero where a row of x ends before that

Pad each row with one zero on the left, and every row of the result begins one further back in memory.
"""

from typing import Any

__all__ = ["gather", "skew"]


def skew(x: Any, m: int, *, xp: Any) -> Any:
    """The first m columns of that, for x (..., n, l)."""
    *batch, n, l = x.shape
    wide = max(l, m)
    before, behind = (xp.zeros((*batch, n, more), dtype=x.dtype, device=x.device) for more in (1, wide - l))
    parts = [before, x, behind] if wide > l else [before, x]
    flat = xp.reshape(xp.concat(parts, axis=-1), (*batch, n * (wide + 1)))  # (..., n (wide + 1))
    out = xp.reshape(flat[..., n:], (*batch, n, wide))[..., :m]  # (..., n, m)
    return out if l >= n + m - 1 else xp.where(_place(n, m, x.device, xp) < l, out, 0.0)


def gather(x: Any, m: int, *, xp: Any) -> Any:
    """The same, entry by entry: the definition."""
    *batch, n, l = x.shape
    if l == 0:
        return xp.zeros((*batch, n, m), dtype=x.dtype, device=x.device)
    place = _place(n, m, x.device, xp)  # (n, m)
    i = xp.arange(n, dtype=xp.int64, device=x.device)[:, None]
    inside = xp.reshape(i * l + xp.clip(place, 0, l - 1), (-1,))  # (n m,)
    out = xp.reshape(xp.take(xp.reshape(x, (*batch, n * l)), inside, axis=-1), (*batch, n, m))
    return xp.where(place < l, out, 0.0)


def _place(n, m, device, xp):
    """Where entry (i, j) is read, n - 1 - i + j: an int64 array (n, m)."""
    i = xp.arange(n, dtype=xp.int64, device=device)[:, None]
    return xp.arange(n - 1, n - 1 + m, dtype=xp.int64, device=device) - i
