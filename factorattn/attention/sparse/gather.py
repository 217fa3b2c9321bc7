"""Attention over any set of pairs, at a cost that follows the set.

    tiles    ROWS queries at a time, with the union of their keys:  where close queries have close keys
    rows     each query with its own keys:  for scattered pairs

Both read the pattern on the host, and the value of no array.
"""

from typing import Any

from factorattn.attention.exact.softmax import FORMS as EXACT
from factorattn.pattern import Pattern, key_tables
from factorattn.primitives.gather import take_pairs
from factorattn.primitives.softmax_attend import softmax_attend
from factorattn.primitives.tiles import scan_tiles

__all__ = ["by_rows", "by_tiles", "definition", "positions"]

ROWS = 64  # queries of a tile: the more, the larger the union of their keys
PAIRS = 2**16  # pairs that are gathered together


def definition(q: Any, k: Any, v: Any, seen: Any | None, *, scale: float, mask: Any | None, xp: Any) -> Any:
    """Exact attention over the pairs that `seen`, (n, m), and `mask` allow: every pair is formed."""
    both = mask if seen is None else seen if mask is None else seen & mask
    return EXACT["dense"](q, k, v, scale=scale, softcap=None, bias=None, mask=both, band=(None, None), xp=xp)


def positions(n: int, *, like: Any, xp: Any) -> tuple[Any, Any]:
    """The numbers of queries (n, 1) and of keys (1, n)."""
    i = xp.arange(n, dtype=xp.int64, device=like.device)
    return i[:, None], i[None, :]


def by_tiles(q: Any, k: Any, v: Any, pattern: Pattern, *, scale: float, mask: Any | None, xp: Any) -> tuple[Any, Any]:
    """Output (..., n, e) and log-sum-exp (..., n) over the pairs that the pattern holds and `mask` allows."""

    def attend(_, rows):
        columns, seen = pattern[rows].squeezed()
        first, width = (int(columns[0]) if columns.size else 0), columns.size
        stretch = slice(first, first + width)
        apart = width and int(columns[-1]) >= stretch.stop
        index = xp.asarray(columns, device=q.device) if apart else None  # one stretch of keys needs no copy

        keys, values = (x[..., stretch, :] if index is None else xp.take(x, index, axis=-2) for x in (k, v))
        allowed = None if len(seen) == seen.n * seen.m else xp.asarray(seen.dense(), device=q.device)
        if mask is not None:
            some = mask[..., rows, :] if mask.shape[-2] > 1 else mask
            if mask.shape[-1] > 1:
                some = some[..., stretch] if index is None else xp.take(some, index, axis=-1)
            allowed = some if allowed is None else some & allowed
        o, lse = softmax_attend(q[..., rows, :], keys, values, scale=scale, mask=allowed)
        return None, (o, lse[..., None])

    out = scan_tiles(attend, None, 0, q.shape[-2], ROWS, xp=xp, alike=False)[1] or attend(None, slice(0, 0))[1]
    return out[0], out[1][..., 0]


def by_rows(q: Any, k: Any, v: Any, pattern: Pattern, *, scale: float, mask: Any | None, xp: Any) -> tuple[Any, Any]:
    """The same: all rows with about as many keys together, a table of PAIRS at a time."""
    if not pattern.n * pattern.m:
        return by_tiles(q, k, v, pattern, scale=scale, mask=mask, xp=xp)
    tables, place = key_tables(pattern)
    parts = [_table(q, k, v, *table, scale=scale, mask=mask, xp=xp) for table in tables]
    index = xp.asarray(place, device=q.device)
    o, lse = (xp.take(xp.concat(list(some), axis=-2), index, axis=-2) for some in zip(*parts, strict=True))
    return o, lse[..., 0]


def _table(q, k, v, rows, keys, *, scale, mask, xp):
    """Queries `rows` (r,) with their keys (r, width), of which -1 is none: (..., r, e) and (..., r, 1)."""
    width = keys.shape[1]

    def attend(_, some):
        index = xp.asarray(keys[some].clip(0).ravel(), device=q.device)  # (r width,)
        allowed = xp.asarray(keys[some] >= 0, device=q.device)  # (r, width)
        own = xp.asarray(rows[some], device=q.device)  # (r,)
        height = own.shape[0]

        def gathered(x):
            return xp.reshape(xp.take(x, index, axis=-2), (*x.shape[:-2], height, width, x.shape[-1]))

        if mask is not None:
            columns = xp.reshape(index, (height, width))
            allowed = allowed & take_pairs(mask, own[:, None], columns, xp=xp)
        o, lse = softmax_attend(
            xp.take(q, own, axis=-2)[..., None, :], gathered(k), gathered(v), scale=scale, mask=allowed[..., None, :]
        )  # (..., r, 1, e), (..., r, 1)
        return None, (o[..., 0, :], lse)

    return scan_tiles(attend, None, 0, rows.size, max(PAIRS // width, 1), xp=xp)[1]
