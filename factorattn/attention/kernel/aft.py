"""Attention free transformer (Zhai et al. 2021): every feature is its own head, with the keys as logits.

    o_ic = sigmoid(q_ic) sum_j e^(k_jc + w_ij) v_jc / sum_j e^(k_jc + w_ij)

with learned position biases w ("AFT-full"), with w = 0 beyond a window ("AFT-local"), or without w ("AFT-simple").

No query meets a key: the query is a gate on the mean of the values.
"""

from functools import partial
from typing import Any

import numpy as np

from factorattn.attention.kernel.engine import divide
from factorattn.attention.kernel.featurewise import absorb, absorb_all, absorb_pairs, empty, merge, sums_up_to
from factorattn.attention.kernel.keys import keys_or_pairs
from factorattn.catalogue import mechanism
from factorattn.contract import check, choose, working_precision
from factorattn.primitives.elementwise import sigmoid
from factorattn.primitives.pairs import band_seen
from factorattn.primitives.tiles import scan_tiles
from factorattn.scalars import flag, whole

__all__ = ["aft_attention"]

INPUTS = "q: ... n e, k: ... m e, v: ... m e, w?: ... n m"
ROWS = 256  # queries a tile
PAIR_ROWS = 32  # where pairs are formed feature by feature
FEW_ROWS = 8  # where that is so for all keys at once


@mechanism(
    inputs=INPUTS,
    forms=("dense", "tiled", "factored"),
    time="n*m*e",
    memory="n*e",
    causal="option",
    normalised=False,
    paper="zhai2021",
)
def aft_attention(
    q: Any,
    k: Any,
    v: Any,
    w: Any | None = None,
    *,
    window: int | None = None,
    mask: Any | None = None,
    causal: bool = False,
    form: str = "tiled",
) -> Any:
    """Gate the mean of the values by the query; weights come from keys and positions, feature by feature.

    Parameters
    ----------
    q : array, shape (..., n, e)
    k : array, shape (..., m, e)
    v : array, shape (..., m, e)
        Queries, keys and values of one size; batch axes broadcast.
    w : array, shape (..., n, m), optional
        Position biases (AFT-full). Left out, they are zero (AFT-simple), and time is linear in the lengths.
    window : int, optional, only with `w`
        AFT-local: biases are zero where ``|i + m - n - j| > window``. Keys out there count all the same. The paper's s
        is ``window + 1``.
    mask : boolean array broadcasting to (..., n, m), optional
        True where query i may attend to key j. One that differs from query to query is honoured pair by pair, in every
        form.
    causal : bool
        Query i sees keys ``j <= i + m - n`` only.
    form : {"tiled", "dense", "factored"}
        "dense" is the definition, feature by feature: O(n m e) exponentials. "tiled" goes through tiles of pairs; keys
        whose biases are zero, as they are without `w` or beyond `window`, are summed once for all queries. "factored"
        does the rest, too, by matrix products, e^(k + w) = e^k e^w, as the paper does: many times faster, for biases or
        keys of moderate spread (see Notes).

    Returns
    -------
    o : array, shape (..., n, e), result dtype of the inputs
        Zeros in rows that may attend to no key.

    Raises
    ------
    ValueError
        If shapes disagree, `window` is negative or given without `w`, or `form` is unknown.
    TypeError
        If inputs are not floating arrays of one library, or `mask` is not boolean.

    Notes
    -----
    AFT-conv is w_ij = u_(j - i) inside a window, another u for each head: give that matrix as `w`.

    "tiled" and "dense" are exact for numbers of any size. "factored" is not: it takes the largest bias of a row and the
    largest key out of each tile of 1024 keys, apart. It is sure while either the biases of a row or the keys lie within
    70 of their largest (650 in float64). If neither do, weights may underflow, also all of a row, which then is zero:
    biases that fall by one a position and keys that rise by one are such a case. float16 and bfloat16 inputs are
    computed in float32.

    References
    ----------
    Zhai et al., "An Attention Free Transformer", 2021. arXiv:2105.14103
    """
    xp, size = check(INPUTS, q=q, k=k, v=v, w=w)
    attend = choose(FORMS, form=form)
    if window is not None:
        if w is None:
            raise ValueError("window is where the biases w are, and there are none; leave it out")
        if whole(window=window) < 0:
            raise ValueError(f"window must be at least 0, got {window!r}")
        window = min(window, size["n"] + size["m"])  # wider is no wider
    dtype, (q, k, v, *rest) = working_precision(*(x for x in (q, k, v, w) if x is not None), xp=xp)
    w = rest[0] if rest else None
    shown, mask = keys_or_pairs(mask, q, k, v, xp=xp)
    if shown is not None:
        k, v = xp.where(shown, k, -xp.inf), xp.where(shown, v, 0.0)
        w = None if w is None else xp.where(shown.mT, w, 0.0)
    if mask is not None:
        attend = _tiled if attend is _factored else attend
    batch = np.broadcast_shapes(*(x.shape[:-2] for x in (k, v, w, mask) if x is not None))
    last = size["m"] - size["n"]  # the key beside query 0
    numerator, denominator, _ = attend(
        k, v, w, batch=batch, n=size["n"], last=last, window=window, mask=mask, causal=flag(causal=causal), xp=xp
    )
    o = sigmoid(q, xp=xp) * divide(numerator, denominator, scaled=True, xp=xp)
    return xp.astype(o, dtype, copy=False)


def _dense(k, v, w, *, batch, n, last, window, mask, causal, xp):
    """The definition, a few rows at once."""
    keys = slice(0, k.shape[-2])

    def attend_rows(_, rows):
        state = empty(batch, rows.stop - rows.start, v, xp=xp)
        if keys.stop == 0:
            return None, state
        seen = band_seen(rows, keys, (None, last), device=v.device, xp=xp) if causal else None
        if mask is not None:
            seen = mask[..., rows, :] if seen is None else seen & mask[..., rows, :]
        return None, absorb(state, k, v, _near(w, rows, keys, last, window, xp=xp), seen, xp=xp)

    out = scan_tiles(attend_rows, None, 0, n, FEW_ROWS, xp=xp)[1]
    return empty(batch, 0, v, xp=xp) if out is None else out


def _tiled(k, v, w, *, batch, n, last, window, mask, causal, xp, products=False):
    """Pairs tile by tile, and sums over keys that are far from a tile of queries, where biases are zero.

    With `products`, keys near by that all rows of the tile see are summed by matrix products.
    """
    m = k.shape[-2]
    if w is None and mask is None and not causal:
        state = absorb_all(empty(batch, 1, v, xp=xp), k, v, slice(0, m), xp=xp)
        return tuple(xp.broadcast_to(part, (*part.shape[:-2], n, part.shape[-1])) for part in state)
    reach = window if w is not None else 0  # without biases no key is near; None is all of them
    if mask is not None:
        reach = None
    size = ROWS if products and not causal else PAIR_ROWS
    absorb_near = absorb_all if products else absorb_pairs
    if reach is not None:
        runs, far = _far(k, v, n, last, reach, causal, size, xp=xp)

    def attend_rows(_, rows):
        state, run = empty(batch, rows.stop - rows.start, v, xp=xp), slice(0, m)
        if reach is not None:
            tile = rows.start // size
            state, run = merge(state, tuple(part[..., tile : tile + 1, :] for part in far), xp=xp), runs[tile]
        edge = min(max(rows.start + last, run.start), run.stop) if causal else run.stop
        inner, outer = slice(run.start, edge), slice(edge, min(max(rows.stop + last, edge), run.stop))
        if mask is not None:
            inner, outer = slice(run.start, run.start), slice(run.start, outer.stop)
        if inner.start < inner.stop:
            state = absorb_near(state, k, v, inner, _near(w, rows, inner, last, window, xp=xp), xp=xp)
        if outer.start < outer.stop:
            seen = band_seen(rows, outer, (None, last), device=v.device, xp=xp) if causal else None
            if mask is not None:
                seen = mask[..., rows, outer] if seen is None else seen & mask[..., rows, outer]
            state = absorb_pairs(state, k, v, outer, _near(w, rows, outer, last, window, xp=xp), seen, xp=xp)
        return None, state

    out = scan_tiles(attend_rows, None, 0, n, size, xp=xp, alike=reach is None and not causal)[1]
    return empty(batch, 0, v, xp=xp) if out is None else out


def _far(k, v, n, last, reach, causal, size, *, xp):
    """For each tile of rows the run of keys within reach of some, and the sums over all keys that are not."""
    m = k.shape[-2]
    starts = range(0, n, size)
    lows = [min(max(start + last - reach, 0), m) for start in starts]
    highs = [min(max(min(start + size, n) + last + reach, low), m) for start, low in zip(starts, lows, strict=True)]
    runs = [slice(low, high) for low, high in zip(lows, highs, strict=True)]
    if not runs:
        return runs, ()
    far = sums_up_to(lows, k, v, xp=xp)  # (..., tiles, e)
    if not causal:
        stops = [m - high for high in reversed(highs)]
        after = sums_up_to(stops, xp.flip(k, axis=-2), xp.flip(v, axis=-2), xp=xp)
        far = merge(far, tuple(xp.flip(part, axis=-2) for part in after), xp=xp)
    return runs, far


def _near(w, rows, keys, last, window, *, xp):
    """The biases of some rows and keys, zero beyond the window."""
    if w is None:
        return None
    part = w[..., rows, keys]
    if window is None:
        return part
    return xp.where(band_seen(rows, keys, (last - window, last + window), device=w.device, xp=xp), part, 0.0)


_factored = partial(_tiled, products=True)
FORMS = {"dense": _dense, "tiled": _tiled, "factored": _factored}
