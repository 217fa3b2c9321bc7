"""Kernel attention whose past fades: every key brings a gate g_j between 0 and 1.

    S_j = g_j S_(j-1) + (1 - g_j) psi_j v_j^T,   z_j = g_j z_(j-1) + (1 - g_j) psi_j,   o_i = phi_i S_j / phi_i . z_j

with j = i + m - n, or j = m - 1 for all queries if not causal. Query i thus weighs key j by
(1 - g_j) g_(j+1) ... g_(i+m-n) (phi_i . psi_j). Products of gates are sums of logarithms, each over its own run of
keys: differences of long sums would lose digits.
"""

from typing import Any

import numpy as np

from factorattn.attention.kernel.engine import divide, kernel_attend
from factorattn.contract import choose
from factorattn.primitives.causal_scan import CHUNK, empty_state, gather_keys
from factorattn.primitives.elementwise import log_sigmoid
from factorattn.primitives.pairs import band_seen, finite_top, weigh
from factorattn.primitives.tiles import scan_tiles

__all__ = ["gated_attend"]

CHUNKS = {"parallel": None, "chunked": CHUNK, "recurrent": 1}


def gated_attend(
    f: Any, g: Any, v: Any, *, gate: Any, causal: bool, form: str, xp: Any, shown: Any | None = None
) -> Any:
    """Attend with weights f_i . g_j that fade.

    Parameters
    ----------
    f : array, shape (..., n, r)
    g : array, shape (..., m, r)
    v : array, shape (..., m, e)
    gate : array, shape (..., m, 1)
        Logits of the gates: ``g_j = sigmoid(gate_j)``.
    causal : bool
        Query i reads the state after key i + m - n; if not causal, all read the last one.
    form : {"parallel", "chunked", "recurrent"}
    shown : boolean array, shape (..., m, 1), optional
        The keys that there are. Others neither add to the state nor let it fade.

    Returns
    -------
    o : array, shape (..., n, e)
        Zeros where a query sees no key.
    """
    chunk = choose(CHUNKS, form=form)
    keep, add = log_sigmoid(gate, xp=xp), log_sigmoid(-gate, xp=xp)  # (..., m, 1)
    if shown is not None:
        keep, add = xp.where(shown, keep, 0.0), xp.where(shown, add, -xp.inf)
        g, v = xp.where(shown, g, 0.0), xp.where(shown, v, 0.0)
    if causal and g.shape[-2] > 0:
        chunk = max(1, *f.shape[-2:-1], g.shape[-2]) if chunk is None else chunk
        return divide(*_scan(f, g, v, keep, add, chunk, xp=xp), scaled=True, xp=xp)
    return kernel_attend(f, g, v, log_scale=add + _later(keep, xp=xp), causal=False, form=form, xp=xp)


def _later(keep: Any, *, xp: Any) -> Any:
    """The sum of all later entries along the axis of keys (..., m, 1)."""
    backwards = xp.cumulative_sum(xp.flip(keep, axis=-2), axis=-2)
    return xp.flip(xp.concat([xp.zeros_like(keep[..., :1, :]), backwards[..., :-1, :]], axis=-2), axis=-2)


def _scan(f, g, v, keep, add, chunk, *, xp):
    """Numerator (..., n, e) and denominator (..., n, 1), up to a common factor, chunk by chunk of keys."""
    n, m = f.shape[-2], g.shape[-2]

    def gather(state, keys):
        """Let the state fade by the gates of a run of keys, and add these."""
        outer, total, top = state
        s = add[..., keys, :] + _later(keep[..., keys, :], xp=xp)  # (..., keys, 1)
        top = top + xp.sum(keep[..., keys, :], axis=-2, keepdims=True)
        return gather_keys((outer, total, top), g[..., keys, :], v[..., keys, :], s, xp=xp), None

    def step(state, rows):
        """Answer the queries of a chunk from the state and its own keys, then add these."""
        keys = slice(rows.start + m - n, rows.stop + m - n)
        outer, total, top = state
        seen = band_seen(rows, keys, (None, m - n), device=v.device, xp=xp)  # (rows, keys)
        after = band_seen(rows, keys, (None, m - n - 1), device=v.device, xp=xp)
        fade = keep[..., keys, :]  # the gate of row i is that of the key beside it
        runs = xp.cumulative_sum(xp.where(after, fade, 0.0), axis=-2)  # (..., rows, keys): of gates j + 1 ... i
        s = xp.where(seen, runs + add[..., keys, :].mT, -xp.inf)
        past = top + xp.cumulative_sum(fade, axis=-2)  # (..., rows, 1)
        t = finite_top(xp.maximum(past, xp.max(s, axis=-1, keepdims=True)), xp=xp)
        q = f[..., rows, :]
        weights = xp.where(seen, (q @ g[..., keys, :].mT) * xp.exp(s - t), 0.0)
        before = xp.exp(past - t)
        numerator = (q @ outer) * before + weigh(weights, v[..., keys, :], guarded=True, xp=xp)  # (..., rows, e)
        denominator = (q @ total.mT) * before + xp.sum(weights, axis=-1, keepdims=True)  # (..., rows, 1)
        return gather(state, keys)[0], (numerator, denominator)

    batch = np.broadcast_shapes(f.shape[:-2], g.shape[:-2], v.shape[:-2], keep.shape[:-2])
    blind = min(max(n - m, 0), n)  # queries that come before the first key
    where = {"dtype": v.dtype, "device": v.device}
    nothing = xp.zeros((*batch, blind, v.shape[-1]), **where), xp.zeros((*batch, blind, 1), **where)
    state, _ = scan_tiles(gather, empty_state(g, v, xp=xp), 0, max(m - n, 0), chunk, xp=xp)
    _, some = scan_tiles(step, state, blind, n, chunk, xp=xp)
    if some is None:
        return nothing
    return some if blind == 0 else tuple(xp.concat([a, b], axis=-2) for a, b in zip(nothing, some, strict=True))
