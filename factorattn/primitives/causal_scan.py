"""Causal sums of outer products, chunk by chunk (the scan of linear attention).

    numerator_i = sum_{j <= i} e^(s_j - t_i) (f_i . g_j) v_j
    denominator_i = sum_{j <= i} e^(s_j - t_i) (f_i . g_j)

with t_i = max_{j <= i} s_j, so that only differences of log scales are exponentiated. Inside a chunk all pairs are
formed; what comes before it is held in a state (sum of g_j v_j^T, sum of g_j, maximum of s_j). Nothing of key j touches
a row i < j, not even its log scale.
"""

from typing import Any

import numpy as np
from array_api_compat import array_namespace

from factorattn.primitives.dispatch import primitive
from factorattn.primitives.pairs import band_seen, finite_top, weigh
from factorattn.primitives.tiles import scan_tiles

__all__ = ["CHUNK", "causal_scan", "empty_state", "gather_keys"]

CHUNK = 128


@primitive()
def causal_scan(f: Any, g: Any, v: Any, /, *, log_scale: Any | None = None, chunk: int = CHUNK) -> tuple[Any, Any]:
    """Numerator and denominator of causal kernel attention.

    Parameters
    ----------
    f : array, shape (..., n, r)
        Features of the queries.
    g : array, shape (..., m, r)
        Features of the keys.
    v : array, shape (..., m, e)
    log_scale : array, shape (..., m, 1), optional
        The features of key j are ``exp(log_scale_j) g_j``; zero by default. -inf leaves the key out.
    chunk : int
        Positions a step; 1 is the recurrence.

    Returns
    -------
    numerator : array, shape (..., n, e)
    denominator : array, shape (..., n, 1)
        Both up to the common factor e^t_i. Query i sees keys ``j <= i + m - n``; where that is none, both are zero.
    """
    xp = array_namespace(f, g, v)
    n, m = f.shape[-2], g.shape[-2]
    where = {"dtype": v.dtype, "device": v.device}

    def gather(state, keys):
        return gather_keys(state, g[..., keys, :], v[..., keys, :], _rows(log_scale, keys), xp=xp), None

    def step(state, rows):
        """Answer the queries of a chunk from the state and its own keys, then add these."""
        keys = slice(rows.start + m - n, rows.stop + m - n)
        outer, total, top = state
        seen = band_seen(rows, keys, (None, m - n), device=v.device, xp=xp)  # (rows, keys)
        q, weights = f[..., rows, :], f[..., rows, :] @ g[..., keys, :].mT  # (..., rows, keys)
        before = 1.0
        if log_scale is not None:
            s = xp.where(seen, log_scale[..., keys, :].mT, -xp.inf)  # (..., rows, keys)
            t = xp.maximum(top, xp.max(s, axis=-1, keepdims=True))  # (..., rows, 1)
            shift = finite_top(t, xp=xp)
            weights, before = weights * xp.exp(s - shift), xp.exp(top - shift)
        weights = xp.where(seen, weights, 0.0)
        numerator = (q @ outer) * before + weigh(weights, v[..., keys, :], guarded=True, xp=xp)  # (..., rows, e)
        denominator = (q @ total.mT) * before + xp.sum(weights, axis=-1, keepdims=True)  # (..., rows, 1)
        return gather(state, keys)[0], (numerator, denominator)

    batch = np.broadcast_shapes(f.shape[:-2], g.shape[:-2], v.shape[:-2])
    blind = min(max(n - m, 0), n)  # queries that come before the first key
    nothing = xp.zeros((*batch, blind, v.shape[-1]), **where), xp.zeros((*batch, blind, 1), **where)
    state, _ = scan_tiles(gather, empty_state(g, v, xp=xp), 0, max(m - n, 0), chunk, xp=xp)
    _, some = scan_tiles(step, state, blind, n, chunk, xp=xp)
    if some is None:
        return nothing
    return some if blind == 0 else tuple(xp.concat([a, b], axis=-2) for a, b in zip(nothing, some, strict=True))


def empty_state(g: Any, v: Any, *, xp: Any) -> tuple[Any, Any, Any]:
    """The state before any key: sum of g_j v_j^T (..., r, e), sum of g_j (..., 1, r), maximum of s_j (..., 1, 1)."""
    batch = np.broadcast_shapes(g.shape[:-2], v.shape[:-2])
    shapes = (g.shape[-1], v.shape[-1]), (1, g.shape[-1]), (1, 1)
    return tuple(
        xp.full((*batch, *shape), start, dtype=v.dtype, device=v.device)
        for shape, start in zip(shapes, (0.0, 0.0, -xp.inf), strict=True)
    )


def gather_keys(state: tuple[Any, Any, Any], g: Any, v: Any, log_scale: Any | None, *, xp: Any) -> tuple[Any, Any, Any]:
    """Add the keys with features g (..., c, r), values v (..., c, e) and log scales (..., c, 1) to a state."""
    outer, total, top = state
    if log_scale is not None:
        new = xp.maximum(top, xp.max(log_scale, axis=-2, keepdims=True))  # (..., 1, 1)
        shift = finite_top(new, xp=xp)
        g, fade = g * xp.exp(log_scale - shift), xp.exp(top - shift)
        outer, total, top = outer * fade, total * fade, new
    return outer + g.mT @ v, total + xp.sum(g, axis=-2, keepdims=True), top


def _rows(x: Any | None, rows: slice) -> Any | None:
    return None if x is None else x[..., rows, :]
