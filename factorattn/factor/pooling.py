"""Pooling as a matrix of r rows that each mix one of r runs of m positions: the projections of a Linformer.

    means         e_aj = 1 / |S_a| if j in S_a, else 0,   S_a = { floor(a m / r), ..., floor((a + 1) m / r) - 1 }
    convolution   e_aj = c_(j - a l) if a l <= j < (a + 1) l, else 0,   l numbers c_0 ... c_(l - 1), r = floor(m / l)

The means need no training. The maximum over a run is no matrix: it is not linear in what it pools.
"""

from typing import Any

import numpy as np

__all__ = ["segment_means", "strided_convolution"]


def segment_means(r: int, m: int, *, xp: Any = np, dtype: Any = None, device: Any = None) -> Any:
    """The (r, m) matrix of segment means, by default float64; the identity for r = m. ValueError if r > m."""
    if r > max(m, 1):
        raise ValueError(f"rank must be at most the number of keys {m}, got {r}")
    dtype = xp.float64 if dtype is None else dtype
    rows, columns = (xp.arange(length, dtype=xp.int64, device=device) for length in (r, m))
    sizes = (rows + 1) * m // r - rows * m // r
    inside = rows[:, None] == ((columns + 1) * r - 1) // max(m, 1)  # j is in S_a for a = ceil((j + 1) r / m) - 1
    return xp.where(inside, 1 / xp.astype(sizes if m else sizes + 1, dtype)[:, None], 0.0)


def strided_convolution(kernel: Any, m: int, *, xp: Any) -> Any:
    """The matrix (..., m // l, m) of a convolution with `kernel` (..., l) and stride l, without padding.

    Positions beyond the last whole run are left out, as convolutions of deep learning libraries do.
    """
    *batch, length = kernel.shape
    rows = m // length
    runs = xp.eye(rows, dtype=kernel.dtype, device=kernel.device)[:, :, None] * kernel[..., None, None, :]
    matrix = xp.reshape(runs, (*batch, rows, rows * length))
    rest = xp.zeros((*batch, rows, m - rows * length), dtype=kernel.dtype, device=kernel.device)
    return xp.concat([matrix, rest], axis=-1)
