"""Streaming softmax over logits that are the sum of two inner products: what keys say, and where they are.

    a_ij = scale (q_i . k_j + b_i . s_j)

The reference goes tile by tile, as `factorattn.primitives.softmax_attend` does, and forms the second product in each
tile. Where there is a kernel for that primitive, the two products are one of longer vectors.
"""

from functools import partial
from typing import Any

from array_api_compat import array_namespace

from factorattn.primitives.dispatch import primitive
from factorattn.primitives.pairs import Band
from factorattn.primitives.softmax_attend import (
    COLS,
    ROWS,
    absorb,
    batch_of,
    clipped,
    empty,
    finish,
    seen_pairs,
    tile_of,
    visible,
)
from factorattn.primitives.tiles import scan_tiles

__all__ = ["relative_attend"]


@primitive(numpy="relative_attend_fused", cupy="relative_attend_fused")
def relative_attend(
    q: Any, k: Any, b: Any, s: Any, v: Any, /, *, scale: float, mask: Any | None = None, band: Band = (None, None)
) -> tuple[Any, Any]:
    """Softmax attention with a second inner product in the logits, and its log-sum-exp, in O(n) memory.

    Parameters
    ----------
    q : array, shape (..., n, d)
    k : array, shape (..., m, d)
    b : array, shape (..., n, c)
    s : array, shape (..., m, c)
    v : array, shape (..., m, e)
        One floating dtype; batch axes broadcast.
    scale : float
        Factor of the logits.
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
    xp = array_namespace(q, k, b, s, v)
    n, m, batch = q.shape[-2], k.shape[-2], batch_of(q, k, b, s, v, mask)
    band = clipped(band, n, m)

    def attend_rows(_, rows):
        asked, placed = q[..., rows, :] * scale, b[..., rows, :] * scale  # (..., rows, d), (..., rows, c)

        def absorb_cols(state, cols, *, cut):
            within = band if cut else (None, None)
            seen = seen_pairs(tile_of(mask, rows, cols), rows, cols, within, xp=xp, device=q.device)
            bias = placed @ s[..., cols, :].mT  # (..., rows, cols)
            key, value = k[..., cols, :], v[..., cols, :]
            return absorb(state, asked, key, value, softcap=None, bias=bias, seen=seen, xp=xp), None

        state = empty(batch, rows.stop - rows.start, v, xp=xp)
        for first, last, cut in visible(rows.start, rows.stop, m, band):
            state, _ = scan_tiles(partial(absorb_cols, cut=cut), state, int(first), int(last), COLS, xp=xp)
        return None, finish(state, xp=xp)

    _, out = scan_tiles(attend_rows, None, 0, n, ROWS, xp=xp, alike=band == (None, None))
    o, lse = finish(empty(batch, 0, v, xp=xp), xp=xp) if out is None else out
    return o, lse[..., 0]
