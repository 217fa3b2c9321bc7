"""Local attention of Luong, Pham and Manning (2015): a query looks at the keys around a position p_i, a real number.

    W_i = { j : p_i - w <= j <= p_i + w },   p_ij = softmax over W_i of a(q_i, k_j)
    o_i = sum_{j in W_i} p_ij g_ij v_j,   g_ij = exp(-(j - p_i)^2 / (2 sigma^2)), or 1

In the gathered form each query takes the keys of its window to itself, so that other pairs cost nothing. The score then
sees the axis of queries before all batch axes, where no array that it brings can have an axis to meet it.
"""

from collections.abc import Callable

from factorattn.attention.alignment.engine import each_tile, hide, pairs_of, part, placed_arrays, take_rows
from factorattn.primitives.pairs import softmax_weights, weigh

__all__ = ["NEAR"]

NEAR_ROWS = 64  # queries a tile: each brings the keys and values of its window
SLOTS = 3  # windows of 2 w + 1 keys are taken as 3 w slots, some of them empty


def _dense(q, k, v, p, *, window, sigma, score, mask, band, xp):
    """The definition: all pairs."""
    n, m = q.shape[-2], k.shape[-2]
    place = xp.arange(m, dtype=xp.int64, device=q.device)  # (m,)
    p = _bounded(p, window, m, xp=xp)
    first, last = _ends(p, window, xp=xp)  # (..., n, 1) each
    a, _ = hide(pairs_of(score, q, k, xp=xp), slice(0, n), mask=mask, bias=None, band=band, xp=xp)
    a = xp.where((place >= first) & (place <= last), a, -xp.inf)
    weights = softmax_weights(a, xp=xp)[0] * _nearness(place, p, sigma, xp=xp)  # (..., n, m)
    return weigh(weights, v, guarded=True, xp=xp)


def _gathered(q, k, v, p, *, window, sigma, score, mask, band, xp):
    """The same from the keys of each window alone."""
    n, m = q.shape[-2], k.shape[-2]
    placed = [*placed_arrays(score, "n"), *placed_arrays(score, "m")]
    if placed:
        raise ValueError(f"form must be 'dense' for a score with a number for each query or key: {placed[0]}")
    if n == 0 or m <= SLOTS * window:
        return _dense(q, k, v, p, window=window, sigma=sigma, score=score, mask=mask, band=band, xp=xp)

    one = pairs_of(score, q[..., :1, :], k[..., :1, :], xp=xp)  # learned arrays may have batch axes of their own
    rank = max(len(q.shape) - 2, len(k.shape) - 2, len(p.shape) - 1, len(one.shape) - 2)  # of the batch

    def queries_first(x):
        """(..., rows, w, d) with the rows first and all batch axes after them."""
        x = xp.moveaxis(x, -3, 0)
        return x[(slice(None), *[None] * (rank + 3 - len(x.shape)), ...)]

    def scores(q, keys):
        """Scores (..., rows, w) of queries (..., rows, d) and the keys (..., rows, w, d) of each."""
        a = pairs_of(score, queries_first(q[..., None, :]), queries_first(keys), xp=xp)  # (rows, ..., 1, w)
        a = a[(*[None] * (rank + 3 - len(a.shape)), ...)]
        if len(a.shape) != rank + 3 or a.shape[0] not in (1, q.shape[-2]):
            raise ValueError(f"form must be 'dense' for a score that does not keep batch axes: got {tuple(a.shape)}")
        return xp.moveaxis(a[..., 0, :], 0, -2)

    def attend_rows(rows):
        own = _bounded(p[..., rows], window, m, xp=xp)
        first, last = _ends(own, window, xp=xp)
        place = first + xp.arange(SLOTS * window, dtype=xp.int64, device=q.device)  # (..., rows, 3 w)
        seen = (place >= 0) & (place <= last) & (place < m)
        place = xp.where(seen, place, 0)
        i = xp.arange(rows.start, rows.stop, dtype=xp.int64, device=q.device)[:, None]  # (rows, 1)
        if band[1] is not None:
            seen = seen & (place - i <= band[1])
        if mask is not None:
            seen = seen & _take_pairs(part(mask, rows), place, xp=xp)
        keys, values = (take_rows(x, place, xp=xp) for x in (k, v))  # (..., rows, 3 w, d), (..., rows, 3 w, e)
        a = xp.where(seen, scores(q[..., rows, :], keys), -xp.inf)  # (..., rows, 3 w)
        weights = softmax_weights(a, xp=xp)[0] * _nearness(place, own, sigma, xp=xp)
        return weigh(weights[..., None, :], values, guarded=True, xp=xp)[..., 0, :]  # (..., rows, e)

    return each_tile(attend_rows, n, NEAR_ROWS, xp=xp)


def _bounded(p, window, m, *, xp):
    """Positions that see no key are brought to just outside, so that they fit an integer. NaN stays."""
    return xp.clip(p, -float(window) - 1, float(m + window))


def _ends(p, window, *, xp):
    """The first and the last integer of each window, (..., n, 1); where p is NaN, those of some window."""
    p = xp.where(xp.isnan(p), 0.0, p)[..., None]
    return xp.astype(xp.ceil(p - window), xp.int64), xp.astype(xp.floor(p + window), xp.int64)


def _nearness(place, p, sigma, *, xp):
    """The Gaussian around p; NaN where p is NaN."""
    gap = xp.astype(place, p.dtype) - p[..., None]
    return xp.exp(gap * gap * (-0.5 / sigma**2)) if sigma is not None else 1.0


def _take_pairs(table, place, *, xp):
    """The entries of a table (..., rows or 1, m or 1) at columns (..., rows, w)."""
    *batch, rows, m = table.shape
    flat = xp.reshape(table, (*batch, rows * m, 1))
    row = m * xp.arange(rows, dtype=xp.int64, device=place.device)[:, None]
    return take_rows(flat, row + (place if m > 1 else 0 * place), xp=xp)[..., 0]


NEAR: dict[str, Callable] = {"dense": _dense, "gathered": _gathered}
