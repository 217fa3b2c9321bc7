"""Segment means as a matrix: r rows that each average one of r runs of m positions, of lengths as equal as can be.

    e_aj = 1 / |S_a| if j in S_a, else 0,   S_a = { floor(a m / r), ..., floor((a + 1) m / r) - 1 }

It is the projection of a Linformer that needs no training.
"""

import numpy as np

__all__ = ["segment_means"]


def segment_means(r: int, m: int) -> np.ndarray:
    """The (r, m) float64 matrix of segment means; the identity for r = m. ValueError if r > m."""
    if r > max(m, 1):
        raise ValueError(f"rank must be at most the number of keys {m}, got {r}")
    edges = np.arange(r + 1) * m // r
    inside = (np.arange(m) >= edges[:-1, None]) & (np.arange(m) < edges[1:, None])
    return inside / np.maximum(np.diff(edges), 1)[:, None]
