"""What layers of all models are made of; weights are arrays or factored, and lie as in checkpoints: W (out, in).

linear      y = x W^T + b
layer_norm  y = g (x - mean x) / sqrt(var x + epsilon) + b
embed       y_i = E[id_i]
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from factorattn.factor.factored import Factored, times

__all__ = ["beside", "embed", "join_heads", "layer_norm", "linear", "split_heads"]


def linear(x: Any, parameters: Mapping[str, Any], *, xp: Any) -> Any:
    """Rows of x (..., in) through ``parameters["weight"]`` (out, in) and, where there is one, ``"bias"`` (out,)."""
    weight, bias = parameters["weight"], parameters.get("bias")
    *batch, size = x.shape
    y = times(xp.reshape(x, (math.prod(batch), size)), weight.mT)  # (rows, out): one product, not one a sequence
    y = y if bias is None else y + bias
    return xp.reshape(y, (*batch, y.shape[-1]))


def layer_norm(x: Any, parameters: Mapping[str, Any], *, epsilon: float = 1e-5, xp: Any) -> Any:
    """Rows of x (..., c) with mean 0 and variance 1, times ``"weight"`` (c,), plus ``"bias"`` (c,)."""
    x = x - xp.mean(x, axis=-1, keepdims=True)
    x = x / xp.sqrt(xp.mean(x * x, axis=-1, keepdims=True) + epsilon)
    return x * parameters["weight"] + parameters["bias"]


def embed(ids: Any, table: Any, *, xp: Any) -> Any:
    """Rows of a table (vocabulary, c), array or factored, at integers ids (...): an array (..., c)."""
    flat = xp.reshape(ids, (-1,))
    rows = table.rows(flat) if isinstance(table, Factored) else xp.take(table, flat, axis=0)
    return xp.reshape(rows, (*ids.shape, table.shape[-1]))


def beside(*parts: Any, xp: Any) -> Any:
    """Features of arrays (..., c), (..., d) side by side, (..., c + d): other axes broadcast."""
    shape = np.broadcast_shapes(*(x.shape[:-1] for x in parts))
    return xp.concat(
        [x if x.shape[:-1] == shape else xp.broadcast_to(x, (*shape, x.shape[-1])) for x in parts], axis=-1
    )


def split_heads(x: Any, heads: int, *, xp: Any) -> Any:
    """Features to heads: (..., n, h d) to (..., h, n, d)."""
    *batch, n, c = x.shape
    return xp.moveaxis(xp.reshape(x, (*batch, n, heads, c // heads)), -2, -3)


def join_heads(x: Any, *, xp: Any) -> Any:
    """Heads to features: (..., h, n, d) to (..., n, h d)."""
    *batch, h, n, d = x.shape
    return xp.reshape(xp.moveaxis(x, -3, -2), (*batch, n, h * d))
