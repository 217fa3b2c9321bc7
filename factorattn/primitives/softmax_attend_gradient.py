"""Streaming softmax swept back in O(n) memory (Dao et al. 2022, algorithm 4): weights are computed again, tile by tile.

    a_ij = softcap(s_ij) + bias_ij,   s_ij = scale q_i . k_j,   p_ij = exp(a_ij - lse_i),   o_i = sum_j p_ij v_j

    D_i = do_i . o_i - dlse_i,   da_ij = p_ij (do_i . v_j - D_i),   ds_ij = da_ij (1 - tanh(s_ij / softcap)^2)
    dv_j = sum_i p_ij do_i,   dk_j = scale sum_i ds_ij q_i,   dq_i = scale sum_j ds_ij k_j,   dbias_ij = da_ij

Of the way forward o and lse are kept, beside the arguments. Derivatives of this sweep compute tiles once more, too.
"""

from functools import partial
from typing import Any

from array_api_compat import array_namespace

from factorattn.interpret.gradient import checkpoint, with_rule
from factorattn.interpret.gradient_array import Array, has_levels
from factorattn.interpret.gradient_shapes import like, onto
from factorattn.interpret.gradient_spare import occurs
from factorattn.primitives import softmax_attend as forward
from factorattn.primitives.pairs import finite_top, masked, weigh
from factorattn.primitives.softmax_attend import clipped, seen_pairs, tile_of
from factorattn.primitives.tiles import scan_tiles

__all__ = ["softmax_attend"]

ROWS, COLS = 256, 256  # queries and keys a tile: a quarter of a megabyte of float32 logits, a head


def softmax_attend(q, k, v, /, *, scale, softcap=None, bias=None, mask=None, band=(None, None)):
    """See `factorattn.primitives.softmax_attend`; arrays that are differentiated only."""
    top = max(x.level for x in (q, k, v, bias) if isinstance(x, Array))
    learned = isinstance(bias, Array) and bias.level == top  # if not, its cotangent would be a matrix for nothing
    return _attend(q, k, v, bias, mask=mask, learned=learned, scale=scale, softcap=softcap, band=band)


@with_rule
def _attend(xp, q, k, v, bias, /, *, mask, learned, **options):
    out = forward.softmax_attend(q, k, v, bias=bias, mask=mask, **options)

    def pull(g, xp):
        lifted = xp.constant if has_levels(xp) else lambda x: x
        kept = (x if x is None else lifted(x) for x in (q, k, v, bias, mask, *out))
        return _swept(*kept, *g, learned=learned, xp=xp, **options)

    return out, pull


def _swept(q, k, v, bias, mask, o, lse, do, dlse, *, scale, softcap, band, learned, xp):
    """The cotangents of q, k, v and bias; the last one is None unless it is `learned`."""
    n, m = q.shape[-2], k.shape[-2]
    if 0 in (n, m):
        return [xp.zeros_like(x) for x in (q, k, v)] + [xp.zeros_like(bias) if learned else None]
    band = clipped(band, n, m)
    lse, apart = lse[..., None], xp.sum(do * o, axis=-1, keepdims=True) - dlse[..., None]  # D (..., n, 1)
    # A row that nobody asks for must not reach keys if it is NaN: it is as if it saw none.
    idle = ~(xp.isfinite(apart) & (lse < xp.inf))
    if occurs(idle, xp=xp):
        idle = idle & (dlse[..., None] == 0) & xp.all(do == 0, axis=-1, keepdims=True)
        mask = ~idle if mask is None else mask & ~idle
        lse, apart = xp.where(idle, -xp.inf, lse), xp.where(idle, 0.0, apart)
    guarded = band != (None, None) or mask is not None or bias is not None
    of_tile = partial(_tile, scale=scale, softcap=softcap, guarded=guarded)
    tile = checkpoint(of_tile) if has_levels(xp) else of_tile
    all_rows = [slice(first, min(first + ROWS, n)) for first in range(0, n, ROWS)]

    def sweep_keys(dq, cols):
        """Add what a tile of keys owes to the queries, tile by tile; what it gets from them itself."""
        owed: list[Any] = []
        dbias: list[Any] = []
        dk, dv = xp.zeros_like(k[..., cols, :]), xp.zeros_like(v[..., cols, :])
        for rows in all_rows:
            some = tile_of(bias, rows, cols)
            within = _within(rows, cols, band)
            if within is None:
                owed.append(None)
            else:
                seen = seen_pairs(tile_of(mask, rows, cols), rows, cols, within, xp=xp, device=q.device)
                rest = some, seen, lse[..., rows, :], apart[..., rows, :], do[..., rows, :]
                *parts, da = tile(q[..., rows, :], k[..., cols, :], v[..., cols, :], *rest)
                owed.append(parts[0])
                dk, dv = dk + parts[1], dv + parts[2]
            if learned:
                dbias.append(xp.zeros_like(some) if within is None else onto(da, like(some), xp=xp))
        dq = [a if b is None else a + b for a, b in zip(dq, owed, strict=True)]
        return dq, (dk, dv, *([_over_rows(dbias, bias, xp=xp).mT] if learned else []))

    dq = [xp.zeros_like(q[..., rows, :]) for rows in all_rows]
    dq, (dk, dv, *rest) = scan_tiles(sweep_keys, dq, 0, m, COLS, xp=xp, alike=band == (None, None))
    dq = xp.concat(dq, axis=-2) if len(dq) > 1 else dq[0]
    return [dq, dk, dv, onto(rest[0].mT, like(bias), xp=xp) if learned else None]


def _tile(q, k, v, bias, seen, lse, apart, do, *, scale, softcap, guarded):
    """What the pairs of a tile give to its queries, keys and values, and da (..., rows, cols)."""
    xp = array_namespace(q, k, v, do)
    scaled = q * scale
    logits, bend = scaled @ k.mT, None
    if softcap is not None:
        bend = xp.tanh(logits / softcap)
        logits = softcap * bend
    p = xp.exp(masked(logits, bias=bias, seen=seen, xp=xp) - finite_top(lse, xp=xp))  # (..., rows, cols)
    da = p * (do @ v.mT - apart)
    ds = da if bend is None else da * (1 - bend * bend)
    if guarded:  # what is not seen may hold anything
        da, ds = xp.where(p == 0, 0.0, da), xp.where(p == 0, 0.0, ds)
    dq = weigh(ds, k, guarded=guarded, xp=xp) * scale
    dk, dv = weigh(ds.mT, scaled, guarded=guarded, xp=xp), weigh(p.mT, do, guarded=guarded, xp=xp)
    return *(onto(g, like(x), xp=xp) for g, x in ((dq, q), (dk, k), (dv, v))), da


def _within(rows, cols, band):
    """The bounds of a band that cut a tile; None if it has no pair inside."""
    lo, hi = band
    first, last = cols.start - rows.stop + 1, cols.stop - 1 - rows.start  # of j - i in the tile
    if (lo is not None and last < lo) or (hi is not None and first > hi):
        return None
    return lo if lo is not None and first < lo else None, hi if hi is not None and last > hi else None


def _over_rows(parts, bias, *, xp):
    """The cotangents of the bias of all tiles of queries, joined, or added up where it is the same for all."""
    if len(parts) == 1:
        return parts[0]
    return sum(parts[1:], parts[0]) if bias.shape[-2] == 1 else xp.concat(parts, axis=-2)
