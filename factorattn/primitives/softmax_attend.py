"""Streaming softmax: attention without ever holding all logits (Milakov & Gimelshein 2018; Rabe & Staats 2021).

For each tile of keys, with a_ij the logits and t, s, o the running maximum, sum and weighted values of a query:

    t' = max(t, max_j a_ij),   s' = s e^(t - t') + sum_j e^(a_ij - t'),   o' = o e^(t - t') + sum_j e^(a_ij - t') v_j

At the end o / s is the output and t + log s the log-sum-exp.
"""
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device

from factorattn.primitives.dispatch import primitive
from factorattn.primitives.pairs import Band, finite_top, band_seen, masked_logits, weigh
from factorattn.primitives.tiles import scan_tiles

__all__ = ["softmax_attend"]

ROWS, COLS = 256, 1024  # queries and keys a tile: a megabyte of float32 logits


@primitive(numpy="softmax_attend_numba", cupy="softmax_attend_cupy")
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
    bias : array broadcasting to (..., n, m), optional
        Added to the logits after the softcap.
    mask : boolean array broadcasting to (..., n, m), optional
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
    n, m, e = q.shape[-2], k.shape[-2], v.shape[-1]
    others = [x.shape[:-2] for x in (q, k, v)] + [x.shape[:-2] for x in (bias, mask) if x is not None]
    batch = np.broadcast_shapes(*others)
    where = {"dtype": q.dtype, "device": device(q)}

    def attend_rows(_, rows):
        first, last, inside = _visible(rows, m, band)

        def absorb(state, cols, *, cut):
            o, s, t = state
            seen = _seen(mask, rows, cols, band if cut else (None, None), device=where["device"], xp=xp)
            logits = masked_logits(
                q[..., rows, :], k[..., cols, :], scale=scale, softcap=softcap, bias=_part(bias, rows, cols), seen=seen, xp=xp
            )  # (..., rows, cols)
            new = xp.maximum(t, xp.max(logits, axis=-1, keepdims=True))  # (..., rows, 1)
            shift = finite_top(new, xp=xp)
            w, fade = xp.exp(logits - shift), xp.exp(t - shift)
            guarded = seen is not None or bias is not None
            o = o * fade + weigh(w, v[..., cols, :], guarded=guarded, xp=xp)  # (..., rows, e)
            return (o, s * fade + xp.sum(w, axis=-1, keepdims=True), new), None

        column = (*batch, rows.stop - rows.start, 1)
        state = (xp.zeros((*column[:-1], e), **where), xp.zeros(column, **where), xp.full(column, -xp.inf, **where))
        for start, stop, cut in ((first, inside.start, True), (inside.start, inside.stop, False), (inside.stop, last, True)):
            state, _ = scan_tiles(
                lambda state, cols, cut=cut: absorb(state, cols, cut=cut), state, start, stop, COLS, xp=xp
            )
        o, s, t = state
        safe = xp.where(s == 0, 1.0, s)
        return None, (o / safe, t + xp.log(safe))

    if n == 0:
        return xp.zeros((*batch, 0, e), **where), xp.zeros((*batch, 0), **where)
    _, (o, lse) = scan_tiles(attend_rows, None, 0, n, ROWS, xp=xp, alike=band == (None, None))
    return o, lse[..., 0]


def _visible(rows: slice, m: int, band: Band) -> tuple[int, int, slice]:
    """The keys from `first` to `last` that some query of `rows` sees, and among them those that all of its queries see."""
    lo, hi = band
    first = 0 if lo is None else min(max(rows.start + lo, 0), m)
    last = m if hi is None else max(min(rows.stop + hi, m), first)
    from_all = first if lo is None else min(max(rows.stop - 1 + lo, first), last)
    to_all = last if hi is None else min(max(rows.start + hi + 1, from_all), last)
    return first, last, slice(from_all, to_all)


def _seen(mask: Any | None, rows: slice, cols: slice, band: Band, *, device: Any, xp: Any) -> Any | None:
    part = _part(mask, rows, cols)
    if band == (None, None):
        return part
    inside = band_seen(rows, cols, band, device=device, xp=xp)
    return inside if part is None else inside & part


def _part(table: Any | None, rows: slice, cols: slice) -> Any | None:
    """The rows and columns of an array that broadcasts to (..., n, m)."""
    if table is None:
        return None
    return table[..., rows if table.shape[-2] > 1 else slice(None), cols if table.shape[-1] > 1 else slice(None)]
