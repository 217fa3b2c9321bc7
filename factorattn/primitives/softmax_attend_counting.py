"""The cost of streaming softmax without walking over its tiles: each kind is read once, times how often it occurs.

With a band the tiles differ in shape and in whether the band cuts them, so the reference's loop is not one step
repeated. Here the tiles are sorted into kinds (rows, cols, cut) and the reference's own steps are run once for each
kind. Operations and bytes moved equal those of the reference; bytes held at the peak may be above its own by the
outputs of two rows of tiles, since all outputs are held throughout.
"""

from collections import Counter
from typing import Any

import numpy as np
from array_api_compat import array_namespace

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
    visible,
)

__all__ = ["softmax_attend"]

Kind = tuple[int, int, bool]


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
    """See `factorattn.primitives.softmax_attend`; arrays of a counting namespace only."""
    xp = array_namespace(q, k, v)
    n, m, batch = q.shape[-2], k.shape[-2], batch_of(q, k, v, bias, mask)
    band = clipped(band, n, m)

    def attend_kind(state, scaled, rows, cols, cut):
        i, j = slice(0, rows), slice(0, cols)
        within = band if cut else (None, None)
        return absorb(
            state,
            scaled,
            k[..., j, :],
            v[..., j, :],
            softcap=softcap,
            bias=_corner(bias, rows, cols),
            seen=seen_pairs(_corner(mask, rows, cols), i, j, within, xp=xp, device=q.device),
            xp=xp,
        )

    def attend_rows(rows, starts):
        with xp.repeated(len(starts)):
            scaled = q[..., :rows, :] * scale
            state = empty(batch, rows, v, xp=xp)
        for kind, times in _kinds(rows, starts, m, band).items():
            with xp.repeated(times):
                state = attend_kind(state, scaled, *kind)
        del scaled
        with xp.repeated(len(starts)):
            return finish(state, xp=xp)

    full, rest = divmod(n, ROWS)
    outs = []
    if full > 1:  # all outputs are held while a row of tiles is read
        with xp.repeated(0):
            out = finish(empty(batch, ROWS, v, xp=xp), xp=xp)
        outs.append(tuple(xp.stretched(part, -2, full) for part in out))
        del out
        attend_rows(ROWS, np.arange(full) * ROWS)
    elif full:
        outs.append(attend_rows(ROWS, np.zeros(1, np.int64)))
    if rest:
        outs.append(attend_rows(rest, np.asarray([n - rest])))
    if full + bool(rest) > 1:
        outs = [tuple(xp.concat(parts, axis=-2) for parts in zip(*outs, strict=True))]
    o, lse = outs[0] if outs else finish(empty(batch, 0, v, xp=xp), xp=xp)
    return o, lse[..., 0]


def _kinds(rows: int, starts: np.ndarray, m: int, band: Band) -> Counter[Kind]:
    """How many tiles of each kind the rows of tiles meet that begin at `starts`."""
    kinds: Counter[Kind] = Counter()
    for first, last, cut in visible(starts, starts + rows, m, band):
        kinds[rows, COLS, cut] += int(np.sum((last - first) // COLS))
        for cols, times in zip(*np.unique((last - first) % COLS, return_counts=True), strict=True):
            kinds[rows, int(cols), cut] += int(times) if cols else 0
    return +kinds


def _corner(table: Any | None, rows: int, cols: int) -> Any | None:
    return None if table is None else table[..., :rows, :cols]
