"""What layers of all models are made of; weights are arrays or factored, and lie as in checkpoints: W (out, in).

linear      y = x W^T + b
layer_norm  y = g (x - mean x) / sqrt(var x + epsilon) + b
embed       y_i = E[id_i]
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from factorattn.factor.factored import Factored, times

__all__ = ["check_ids", "embed", "join_heads", "layer_norm", "leaves", "linear", "split_heads", "with_dtype"]


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


def split_heads(x: Any, heads: int, *, xp: Any) -> Any:
    """Features to heads: (..., n, h d) to (..., h, n, d)."""
    *batch, n, c = x.shape
    return xp.moveaxis(xp.reshape(x, (*batch, n, heads, c // heads)), -2, -3)


def join_heads(x: Any, *, xp: Any) -> Any:
    """Heads to features: (..., h, n, d) to (..., n, h d)."""
    *batch, h, n, d = x.shape
    return xp.reshape(xp.moveaxis(x, -3, -2), (*batch, n, h * d))


def leaves(parameters: Any) -> Iterator[Any]:
    """All arrays and factored matrices of nested dicts and lists, in order."""
    if isinstance(parameters, Mapping):
        for part in parameters.values():
            yield from leaves(part)
    elif isinstance(parameters, Sequence):
        for part in parameters:
            yield from leaves(part)
    else:
        yield parameters


def with_dtype(parameters: Any, dtype: Any, *, xp: Any) -> Any:
    """The same nested dicts and lists with all real numbers in a dtype, those inside of factored matrices, too."""
    if isinstance(parameters, Mapping):
        return {name: with_dtype(part, dtype, xp=xp) for name, part in parameters.items()}
    if isinstance(parameters, Sequence):
        return [with_dtype(part, dtype, xp=xp) for part in parameters]
    if hasattr(parameters, "__factored__"):  # of one matrix, or of several heads
        return parameters if parameters.dtype == dtype else parameters.astype(dtype)
    return xp.astype(parameters, dtype, copy=False) if xp.isdtype(parameters.dtype, "real floating") else parameters


def check_ids(ids: Any, rows: int, *, name: str, xp: Any) -> None:
    """Hold numbers of rows against a table: most libraries count negative ones from the end."""
    if not xp.isdtype(ids.dtype, "integral"):
        raise TypeError(f"{name} must have an integer dtype, got {ids.dtype}")
    try:
        least, most = (int(xp.min(ids)), int(xp.max(ids))) if 0 not in ids.shape else (0, 0)
    except TypeError:  # counted, or traced: it has no values
        return
    if least < 0 or most >= max(rows, 1):
        raise ValueError(f"{name} must be from 0 to {rows - 1}, got {least if least < 0 else most}")
