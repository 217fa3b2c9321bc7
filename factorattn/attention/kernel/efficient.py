"""Efficient attention (Shen et al. 2021): one softmax for the queries, another for the keys, and no pairs.

    o_i = sum_c a_ic sum_j b_jc v_j,   a_ic = e^q_ic / sum_f e^q_if,   b_jc = e^k_jc / sum_l e^k_lc

Every feature c of the keys is a distribution over positions, and fetches a mean of the values; every query is a
distribution over features, and mixes these means. Where query i does not see all keys, b is normalised over those that
it sees.
"""

from typing import Any

import numpy as np

from factorattn.attention.kernel.featurewise import exponentials
from factorattn.attention.kernel.keys import keys_or_pairs
from factorattn.catalogue import mechanism
from factorattn.contract import check, choose, working_precision
from factorattn.primitives.pairs import band_seen, finite_top, softmax_weights, weigh
from factorattn.primitives.tiles import scan_tiles
from factorattn.scalars import flag

__all__ = ["efficient_attention"]

INPUTS = "q: ... n d, k: ... m d, v: ... m e"
CHUNK = 32  # positions a step of the causal form, which holds every pair and feature of them at once
ROWS = 8  # queries a step where each has a softmax over positions of its own


@mechanism(
    inputs=INPUTS,
    forms=("dense", "linear"),
    time="n*d*e + m*d*e",
    memory="n*d + m*d + n*e",
    causal="option",
    normalised=True,
    paper="shen2021",
)
def efficient_attention(
    q: Any, k: Any, v: Any, *, mask: Any | None = None, causal: bool = False, form: str = "linear"
) -> Any:
    """Attend with softmax over the features of each query and over the positions of each key feature.

    Parameters
    ----------
    q : array, shape (..., n, d)
    k : array, shape (..., m, d)
    v : array, shape (..., m, e)
        Queries, keys and values; batch axes broadcast.
    mask : boolean array broadcasting to (..., n, m), optional
        True where query i may attend to key j. One that differs from query to query needs a softmax for each: it is
        honoured pair by pair, as the form "dense" does it, in O(n m d).
    causal : bool
        Query i sees keys ``j <= i + m - n`` only, and the softmax over positions is over these. The paper has no causal
        form; this one is linear in the length too.
    form : {"linear", "dense"}
        Equal to rounding. "dense" is the matrix of weights, O(n m).

    Returns
    -------
    o : array, shape (..., n, e), result dtype of the inputs
        Zeros in rows that may attend to no key.

    Raises
    ------
    ValueError
        If shapes disagree, or `form` is unknown.
    TypeError
        If inputs are not floating arrays of one library, or `mask` is not boolean.

    Notes
    -----
    There is no scale; the paper has none. Its other normaliser, all entries over the root of the number of positions,
    is plain ``q @ (k.mT @ v) / n``. float16 and bfloat16 inputs are computed in float32.

    References
    ----------
    Shen et al., "Efficient Attention: Attention with Linear Complexities", 2021. arXiv:1812.01243
    """
    xp, size = check(INPUTS, q=q, k=k, v=v)
    attend = choose(FORMS, form=form)
    dtype, (q, k, v) = working_precision(q, k, v, xp=xp)
    shown, seen = keys_or_pairs(mask, q, k, v, xp=xp)
    causal = flag(causal=causal)
    if shown is not None:
        k, v = xp.where(shown, k, -xp.inf), xp.where(shown, v, 0.0)
    if 0 in (size["m"], size["d"]):
        return xp.astype(_nothing(q, k, v, size["n"], xp=xp), dtype, copy=False)
    a, _ = softmax_weights(q, xp=xp)  # (..., n, d)
    return xp.astype(attend(a, k, v, seen=seen, causal=causal, xp=xp), dtype, copy=False)


def _dense(a, k, v, *, seen, causal, xp):
    """The definition: a matrix of weights."""
    n, m = a.shape[-2], k.shape[-2]
    if causal:
        past = band_seen(slice(0, n), slice(0, m), (None, m - n), device=v.device, xp=xp)
        seen = past if seen is None else seen & past
    if seen is None:
        b, _ = softmax_weights(k.mT, xp=xp)  # (..., d, m)
        return (a @ b) @ v  # (..., n, e)
    none = xp.full((1, 1), -xp.inf, dtype=k.dtype, device=k.device)

    def attend_rows(_, rows):
        """Another softmax over positions for each query."""
        b, _ = exponentials(k, None, seen[..., rows, :], none, xp=xp)  # (..., rows, m, d)
        share = _share(a[..., rows, :], xp.sum(b, axis=-2), xp=xp)  # (..., rows, d)
        return None, weigh((b @ share[..., None])[..., 0], v, guarded=True, xp=xp)  # (..., rows, e)

    out = scan_tiles(attend_rows, None, 0, n, ROWS, xp=xp)[1]
    return _nothing(a, k, v, 0, xp=xp) if out is None else out


def _linear(a, k, v, *, seen, causal, xp):
    """Means of the values first, a feature each; then the queries."""
    if seen is not None:
        return _dense(a, k, v, seen=seen, causal=causal, xp=xp)
    if causal:
        return _scan(a, k, v, xp=xp)
    b, _ = softmax_weights(k.mT, xp=xp)  # (..., d, m)
    return a @ (b @ v)  # (..., n, e)


def _scan(a, k, v, *, xp):
    """Sums of exponentials so far, a feature each, in a state: chunk by chunk."""
    n, m = a.shape[-2], k.shape[-2]

    def gather(state, keys):
        outer, total, top = state  # (..., d, e), (..., 1, d), (..., 1, d)
        new = xp.maximum(top, xp.max(k[..., keys, :], axis=-2, keepdims=True))
        shift = finite_top(new, xp=xp)
        b, fade = xp.exp(k[..., keys, :] - shift), xp.exp(top - shift)  # (..., keys, d), (..., 1, d)
        return (outer * fade.mT + b.mT @ v[..., keys, :], total * fade + xp.sum(b, axis=-2, keepdims=True), new), None

    def step(state, rows):
        keys = slice(rows.start + m - n, rows.stop + m - n)
        outer, total, top = state
        seen = band_seen(rows, keys, (None, m - n), device=v.device, xp=xp)
        b, t = exponentials(k[..., keys, :], None, seen, top, xp=xp)  # (..., rows, keys, d), (..., rows, d)
        fade = xp.exp(top - finite_top(t, xp=xp))  # (..., rows, d)
        share = _share(a[..., rows, :], total * fade + xp.sum(b, axis=-2), xp=xp)
        new = weigh((b @ share[..., None])[..., 0], v[..., keys, :], guarded=True, xp=xp)  # (..., rows, e)
        return gather(state, keys)[0], (share * fade) @ outer + new

    batch = np.broadcast_shapes(k.shape[:-2], v.shape[:-2])
    sizes_and_starts = ((k.shape[-1], v.shape[-1]), 0.0), ((1, k.shape[-1]), 0.0), ((1, k.shape[-1]), -xp.inf)
    state = tuple(xp.full((*batch, *shape), x, dtype=v.dtype, device=v.device) for shape, x in sizes_and_starts)
    blind = min(max(n - m, 0), n)  # queries that come before the first key
    state, _ = scan_tiles(gather, state, 0, max(m - n, 0), CHUNK, xp=xp)
    _, some = scan_tiles(step, state, blind, n, CHUNK, xp=xp)
    nothing = _nothing(a, k, v, blind, xp=xp)
    if some is None:
        return nothing
    return xp.concat([nothing, some], axis=-2) if blind else some


def _share(a, total, *, xp):
    """What a query's weight on a feature leaves for each unit of its exponentials."""
    return xp.where(total == 0, 0.0, a / xp.where(total == 0, 1.0, total))


def _nothing(a, k, v, rows, *, xp):
    batch = np.broadcast_shapes(a.shape[:-2], k.shape[:-2], v.shape[:-2])
    return xp.zeros((*batch, rows, v.shape[-1]), dtype=v.dtype, device=v.device)


FORMS = {"dense": _dense, "linear": _linear}
