"""Softmax over keys for every feature by itself: sums of exponentials of keys, entry by entry.

    t_ic = max_j (k_jc + w_ij),   z_ic = sum_j e^(k_jc + w_ij - t_ic),   s_ic = sum_j e^(k_jc + w_ij - t_ic) v_jc

A state (s, z, t) of rows i and features c holds the sums over the keys met so far; the mean of the values is s / z.
"""

from typing import Any

import numpy as np

from factorattn.primitives.pairs import finite_top
from factorattn.primitives.tiles import scan_tiles

__all__ = ["State", "absorb", "absorb_all", "absorb_pairs", "empty", "exponentials", "merge", "sums_up_to"]

State = tuple[Any, Any, Any]
COLS = 1024  # keys a tile
PAIR_COLS = 64  # where every pair has a number for each feature: the tile stays in a cache


def empty(batch: tuple[int, ...], rows: int, v: Any, *, xp: Any) -> State:
    """Before any key: three arrays (..., rows, e)."""
    shape = (*batch, rows, v.shape[-1])
    return tuple(xp.full(shape, start, dtype=v.dtype, device=v.device) for start in (0.0, 0.0, -xp.inf))


def exponentials(k: Any, w: Any | None, seen: Any | None, top: Any, *, xp: Any) -> tuple[Any, Any]:
    """e^(k_jc + w_ij - t_ic) for all rows i, keys j and features c (..., rows, keys, c), and t (..., rows, c).

    `k` (..., keys, c), `w` and `seen` (..., rows, keys), `top` (..., rows or 1, c): the maximum before these keys.
    """
    a = k[..., None, :, :]  # (..., 1, keys, c)
    if w is not None:
        a = a + w[..., None]
    if seen is not None:
        a = xp.where(seen[..., None], a, -xp.inf)  # (..., rows, keys, c)
    t = xp.maximum(top, xp.max(a, axis=-2))  # (..., rows, c)
    return xp.exp(a - finite_top(t, xp=xp)[..., None, :]), t


def absorb(state: State, k: Any, v: Any, w: Any | None, seen: Any | None, *, xp: Any) -> State:
    """Let the rows of a tile see its keys, every pair and feature by itself: exact for numbers of any size."""
    weights, t = exponentials(k, w, seen, state[2], xp=xp)  # (..., rows, keys, e)
    values = weights * xp.where(weights == 0, 0.0, v[..., None, :, :])  # NaN stays where nobody looks
    return _joined(state, (xp.sum(values, axis=-2), xp.sum(weights, axis=-2)), t, xp=xp)


def _absorb_factored(state: State, k: Any, v: Any, w: Any | None, *, xp: Any) -> State:
    """The same where all rows see all keys of the tile: e^(w + k) = e^w e^k turns the sums into matrix products.

    The largest of w and of k are taken out apart, tile by tile. Where no key of the tile is near both of them, sums
    lose digits, and beyond the range of the exponential, 88 in float32, they vanish.
    """
    high = xp.max(k, axis=-2, keepdims=True)  # (..., 1, e)
    shares = xp.exp(k - finite_top(high, xp=xp))  # (..., keys, e)
    parts = shares * v, shares
    if w is None:
        parts = tuple(xp.sum(part, axis=-2, keepdims=True) for part in parts)  # (..., 1, e)
    else:
        wide = xp.max(w, axis=-1, keepdims=True)  # (..., rows, 1)
        table = xp.exp(w - finite_top(wide, xp=xp))  # (..., rows, keys)
        parts, high = tuple(table @ part for part in parts), high + wide  # (..., rows, e)
    return merge(state, (*parts, high), xp=xp)


def merge(a: State, b: State, *, xp: Any) -> State:
    """The sums over the keys of both."""
    t = xp.maximum(a[2], b[2])
    share = xp.exp(b[2] - finite_top(t, xp=xp))
    return _joined(a, (b[0] * share, b[1] * share), t, xp=xp)


def sums_up_to(stops: list[int], k: Any, v: Any, *, xp: Any) -> State:
    """The state of one row after the keys below each of the ascending `stops`, one below the other (..., stops, e)."""

    def step(state, place):
        start = stops[place.start - 1] if place.start else 0
        state = absorb_all(state, k, v, slice(start, stops[place.start]), xp=xp)
        return state, state

    batch = np.broadcast_shapes(k.shape[:-2], v.shape[:-2])
    return scan_tiles(step, empty(batch, 1, v, xp=xp), 0, len(stops), 1, xp=xp, alike=False)[1]


def absorb_all(state: State, k: Any, v: Any, keys: slice, w: Any | None = None, *, xp: Any) -> State:
    """Let rows see a run of keys, all of it, by matrix products; `w` (..., rows, keys) belongs to the run.

    Without `w` that is exact for numbers of any size.
    """

    def step(state, cols):
        part = None if w is None else w[..., cols.start - keys.start : cols.stop - keys.start]
        return _absorb_factored(state, k[..., cols, :], v[..., cols, :], part, xp=xp), None

    return scan_tiles(step, state, keys.start, keys.stop, COLS, xp=xp)[0]


def absorb_pairs(
    state: State, k: Any, v: Any, keys: slice, w: Any | None, seen: Any | None = None, *, xp: Any
) -> State:
    """Let rows see a run of keys, pair by pair: `absorb`, tile by tile; `w` and `seen` (..., rows, keys)."""

    def step(state, cols):
        here = slice(cols.start - keys.start, cols.stop - keys.start)
        parts = (part if part is None else part[..., here] for part in (w, seen))
        return absorb(state, k[..., cols, :], v[..., cols, :], *parts, xp=xp), None

    return scan_tiles(step, state, keys.start, keys.stop, PAIR_COLS, xp=xp)[0]


def _joined(state, parts, t, *, xp):
    fade = xp.exp(state[2] - finite_top(t, xp=xp))
    return state[0] * fade + parts[0], state[1] * fade + parts[1], t
