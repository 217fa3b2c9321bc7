"""Streaming softmax: attention without ever holding all logits (Milakov & Gimelshein 2018; Rabe & Staats 2021).

For each tile of keys, with a_ij the logits and t, s, o the running maximum, sum and weighted values of a query:

    t' = max(t, max_j a_ij),   s' = s e^(t - t') + sum_j e^(a_ij - t'),   o' = o e^(t - t') + sum_j e^(a_ij - t') v_j

At the end o / s is the output and t + log s the log-sum-exp.
"""

from functools import partial
from typing import Any

import numpy as np
from array_api_compat import array_namespace

from factorattn.primitives.dispatch import primitive
from factorattn.primitives.pairs import Band, band_seen, finite_top, masked_logits, weigh
from factorattn.primitives.tiles import scan_tiles

__all__ = ["absorb", "batch_of", "clipped", "empty", "finish", "seen_pairs", "softmax_attend", "tile_of", "visible"]

ROWS, COLS = 256, 1024  # queries and keys a tile: a megabyte of float32 logits


@primitive(
    numpy="softmax_attend_numba",
    cupy="softmax_attend_cupy",
    counting="softmax_attend_counting",
    gradient="softmax_attend_gradient",
)
def softmax_attend(
    q: Any,
    k: Any,
    v: Any,
    /,
    *,
    scale: float,
    softcap: float | None = None,
    bias: Any | None = None,
    mask: Any | None = None,
    band: Band = (None, None),
) -> tuple[Any, Any]:
    """Softmax attention and its log-sum-exp in O(n) memory.

    Parameters
    ----------
    q : array, shape (..., n, d)
    k : array, shape (..., m, d)
    v : array, shape (..., m, e)
        One floating dtype; batch axes broadcast.
    scale : float
        Factor of q . k.
    softcap : float, optional
        Logits become ``softcap * tanh(logits / softcap)``.
    bias : array of two axes or more, broadcasting to (..., n, m), optional
        Added to the logits after the softcap.
    mask : boolean array of two axes or more, broadcasting to (..., n, m), optional
        True where query i may attend to key j.
    band : (lo, hi)
        Key j is seen by query i only if ``lo <= j - i <= hi``; None is no bound.

    Returns
    -------
    o : array, shape (..., n, e)
        Zeros where a query sees no key.
    lse : array, shape (..., n)
        Natural logarithm of the sum of exponentials of the logits; -inf where a query sees no key.
    """
    xp = array_namespace(q, k, v)
    n, m, batch = q.shape[-2], k.shape[-2], batch_of(q, k, v, bias, mask)
    band = clipped(band, n, m)

    def attend_rows(_, rows):
        scaled = q[..., rows, :] * scale  # (..., rows, d)

        def absorb_cols(state, cols, *, cut):
            return absorb(
                state,
                scaled,
                k[..., cols, :],
                v[..., cols, :],
                softcap=softcap,
                bias=tile_of(bias, rows, cols),
                seen=seen_pairs(
                    tile_of(mask, rows, cols), rows, cols, band if cut else (None, None), xp=xp, device=q.device
                ),
                xp=xp,
            ), None

        state = empty(batch, rows.stop - rows.start, v, xp=xp)
        for first, last, cut in visible(rows.start, rows.stop, m, band):
            state, _ = scan_tiles(partial(absorb_cols, cut=cut), state, int(first), int(last), COLS, xp=xp)
        return None, finish(state, xp=xp)

    _, out = scan_tiles(attend_rows, None, 0, n, ROWS, xp=xp, alike=band == (None, None))
    o, lse = finish(empty(batch, 0, v, xp=xp), xp=xp) if out is None else out
    return o, lse[..., 0]


State = tuple[Any, Any, Any]


def empty(batch: tuple[int, ...], rows: int, v: Any, *, xp: Any) -> State:
    """Before any key: weighted values o (..., rows, e), sum s (..., rows, 1), maximum t (..., rows, 1)."""
    sizes_and_starts = ((v.shape[-1], 0.0), (1, 0.0), (1, -xp.inf))
    return tuple(
        xp.full((*batch, rows, size), start, dtype=v.dtype, device=v.device) for size, start in sizes_and_starts
    )


def absorb(state: State, q: Any, k: Any, v: Any, *, softcap, bias, seen, xp: Any) -> State:
    """Let the queries of a tile, already scaled, see its keys."""
    o, s, t = state
    logits = masked_logits(q, k, softcap=softcap, bias=bias, seen=seen, xp=xp)  # (..., rows, cols)
    new = xp.maximum(t, xp.max(logits, axis=-1, keepdims=True))  # (..., rows, 1)
    shift = finite_top(new, xp=xp)
    w, fade = xp.exp(logits - shift), xp.exp(t - shift)
    o = o * fade + weigh(w, v, guarded=seen is not None or bias is not None, xp=xp)  # (..., rows, e)
    return o, s * fade + xp.sum(w, axis=-1, keepdims=True), new


def finish(state: State, *, xp: Any) -> tuple[Any, Any]:
    """Output (..., rows, e) and log-sum-exp (..., rows, 1)."""
    o, s, t = state
    safe = xp.where(s == 0, 1.0, s)
    return o / safe, t + xp.log(safe)


def batch_of(*arrays: Any | None) -> tuple[int, ...]:
    """The batch axes that the arrays broadcast to."""
    return np.broadcast_shapes(*(x.shape[:-2] for x in arrays if x is not None))


def clipped(band: Band, n: int, m: int) -> Band:
    """The same band in bounds that fit any integer dtype: no pair has j - i below -n or above m."""
    lo, hi = band
    return None if lo is None else max(min(lo, m), -n), None if hi is None else max(min(hi, m), -n)


def visible(start: Any, stop: Any, m: int, band: Band) -> tuple[tuple[Any, Any, bool], ...]:
    """The runs of keys (first, last, cut) that some query from `start` up to `stop` sees; integers, or arrays of them.

    `cut` where not all of these queries see all of the run. What fits in one tile is one run.
    """
    lo, hi = band
    first = 0 * start if lo is None else np.clip(start + lo, 0, m)
    last = 0 * start + m if hi is None else np.maximum(np.minimum(stop + hi, m), first)
    from_all = first if lo is None else np.clip(stop - 1 + lo, first, last)
    to_all = last if hi is None else np.clip(start + hi + 1, from_all, last)
    if band != (None, None):
        small = last - first <= COLS
        from_all, to_all = np.where(small, last, from_all), np.where(small, last, to_all)
    return (first, from_all, True), (from_all, to_all, False), (to_all, last, True)


def seen_pairs(mask: Any | None, rows: slice, cols: slice, band: Band, *, xp: Any, device: Any) -> Any | None:
    """Which pairs of a tile are seen: inside the band and allowed by the mask of the tile; None where all are."""
    if band == (None, None):
        return mask
    inside = band_seen(rows, cols, band, device=device, xp=xp)
    return inside if mask is None else inside & mask


def tile_of(table: Any | None, rows: slice, cols: slice) -> Any | None:
    """The rows and columns of an array that broadcasts to (..., n, m)."""
    if table is None:
        return None
    return table[..., rows if table.shape[-2] > 1 else slice(None), cols if table.shape[-1] > 1 else slice(None)]
