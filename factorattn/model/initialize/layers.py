"""Layers to begin with: dense ones with Xavier's uniform numbers, norms that do not scale, and tables.

dense   W_ij in +- sqrt(6 / (in + out)),   b = 0
norm    g = 1,   b = 0
table   E_ij ~ N(0, 1 / c), so that a row has a length of about one
"""

from typing import Any

import numpy as np

from factorattn.model.initialize.xavier import floating, xavier_uniform
from factorattn.scalars import whole

__all__ = ["dense_parameters", "norm_parameters", "table_parameters"]


def dense_parameters(rng: np.random.Generator, out: int, into: int, dtype: Any) -> dict[str, Any]:
    """A linear layer: weight (out, into) and bias (out,)."""
    return {"weight": xavier_uniform((out, into), rng=rng, dtype=dtype), "bias": np.zeros(out, dtype)}


def norm_parameters(c: int, dtype: Any) -> dict[str, Any]:
    """A layer norm: weight and bias (c,)."""
    return {"weight": np.ones(c, floating(dtype)), "bias": np.zeros(c, dtype)}


def table_parameters(rng: np.random.Generator, rows: int, c: int, dtype: Any, *, name: str = "rows") -> dict[str, Any]:
    """A table, weight (rows, c): a row for each token, or for each position; `name` is the caller's for `rows`."""
    if whole(**{name: rows}) < 1:
        raise ValueError(f"{name} must be a positive integer, got {rows}")
    return {"weight": rng.normal(0.0, c**-0.5, (rows, c)).astype(floating(dtype))}
