"""Attention to [past; present] with the relative positions of Transformer-XL (Dai et al. 2019, section 3.3).

    a_ij = scale ((q_i + u) . k_j + (q_i + v_bias) . r_t),   t = distance from key j to query i

    r_t = sum_z sin(t f_z) w_sin_z + cos(t f_z) w_cos_z,   f_z = 10000^(-z / f),   z = 0 ... f - 1

The distance is that along [past; present], so it is not negative where attention is causal. By the addition theorem
r_(i-j) . x = S(j) . turn(x, i) with S(j) the sines and cosines of j: a term in the distance is an inner product of one
vector for the query and one for the key, and needs no table of pairs.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from factorattn.attention.exact.options import check_pairs, scale_of
from factorattn.attention.memory.relative_attend import relative_attend
from factorattn.attention.sparse.engine import merge
from factorattn.contract import choose, working_precision
from factorattn.position.sinusoidal import sinusoidal
from factorattn.position.skew import skew
from factorattn.primitives.pairs import band_seen, masked_logits, softmax_weights, weigh
from factorattn.primitives.softmax_attend import batch_of
from factorattn.scalars import flag

__all__ = ["FORMS", "Terms", "attend_segments", "average_weights", "joined", "turn"]


class Terms(NamedTuple):
    """What is learned of relative positions: w_sin and w_cos (..., f, d), u and v_bias (..., d) or None."""

    w_sin: Any
    w_cos: Any
    u: Any | None
    v_bias: Any | None


def attend_segments(
    q: Any,
    segments: list[tuple[Any, Any]],
    terms: Terms,
    *,
    mask: Any | None,
    causal: bool,
    scale: float | None,
    form: str,
    xp: Any,
) -> Any:
    """Attend to several segments as to one sequence, the queries standing beside the keys of the last.

    Parameters
    ----------
    q : array, shape (..., n, d)
    segments : list of (k, v)
        Keys and values, the oldest first; (None, None) is no segment.
    terms : Terms
        What is learned of relative positions.
    mask : boolean array broadcasting to (..., n, m), optional
        Over all m keys.
    causal : bool
        Query i sees earlier segments and the first i + 1 keys of the last.
    scale : float, optional
    form : str

    Returns
    -------
    o : array, shape (..., n, e), result dtype of all arrays
    """
    attend = choose(FORMS, form=form)
    given = [q, *terms, *(x for pair in segments for x in pair)]
    dtype, computed = working_precision(*(x for x in given if x is not None), xp=xp)
    left = iter(computed)
    q, *rest = [x if x is None else next(left) for x in given]
    terms, keys, values = Terms(*rest[:4]), rest[4::2], rest[5::2]
    parts = [(k, v) for k, v in zip(keys, values, strict=True) if k is not None]
    batch, m = batch_of(*(x for pair in parts for x in pair)), sum(k.shape[-2] for k, _ in parts)
    nothing = xp.zeros((*batch, m, 0), dtype=q.dtype, device=q.device)  # as long as all keys together
    mask, _ = check_pairs(mask, None, q, nothing, nothing, xp=xp)
    scale = scale_of(scale, q.shape[-1])
    return xp.astype(
        attend(q, parts, terms, scale=scale, mask=mask, causal=flag(causal=causal), xp=xp), dtype, copy=False
    )


def turn(on_sin: Any, on_cos: Any, start: int, *, xp: Any) -> Any:
    """The vectors b_i with S(j) . b_i = sum_z sin((i - j) f_z) on_sin_iz + cos((i - j) f_z) on_cos_iz: (..., n, 2 f).

    The first query is at position `start`.
    """
    n, f = on_sin.shape[-2:]
    places = _sinusoids(start, n, f, like=on_sin)  # (n, 2 f)
    sin, cos = places[:, :f], places[:, f:]
    return xp.concat([on_cos * sin - on_sin * cos, on_sin * sin + on_cos * cos], axis=-1)


def average_weights(
    q: Any, keys: list[Any], terms: Terms, *, mask: Any | None, causal: bool, scale: float | None, xp: Any
) -> Any:
    """The weights of `attend_segments` for several arrays of keys, as a mean over queries: (..., m)."""
    given = [q, *terms, *keys]
    dtype, computed = working_precision(*(x for x in given if x is not None), xp=xp)
    left = iter(computed)
    q, *rest = [x if x is None else next(left) for x in given]
    k = joined(rest[4:], xp=xp)  # (..., m, d)
    mask, _ = check_pairs(mask, None, q, k, k, xp=xp)
    scale, causal = scale_of(scale, q.shape[-1]), flag(causal=causal)
    weights = _weights(q, k, Terms(*rest[:4]), _shifted, scale=scale, mask=mask, causal=causal, xp=xp)
    return xp.astype(xp.sum(weights, axis=-2) / max(q.shape[-2], 1), dtype, copy=False)


def joined(parts: Sequence[Any], *, xp: Any) -> Any:
    """Join arrays along their axis -2, whatever batch axes they have; None is no array."""
    there = [part for part in parts if part is not None]
    if len(there) == 1:
        return there[0]
    batch = np.broadcast_shapes(*(x.shape[:-2] for x in there))
    return xp.concat([xp.broadcast_to(x, (*batch, *x.shape[-2:])) for x in there], axis=-2)


def _dense(q, parts, terms, *, scale, mask, causal, xp):
    """The definition: a vector r_t is looked up for every pair."""
    return _whole(q, parts, terms, _looked_up, scale=scale, mask=mask, causal=causal, xp=xp)


def _shift(q, parts, terms, *, scale, mask, causal, xp):
    """Every query meets every distance in one product; then row i is shifted by i (the trick of Dai et al. 2019)."""
    return _whole(q, parts, terms, _shifted, scale=scale, mask=mask, causal=causal, xp=xp)


def _whole(q, parts, terms, positional, *, scale, mask, causal, xp):
    """One softmax over all keys at once."""
    k, v = (joined(x, xp=xp) for x in zip(*parts, strict=True))  # (..., m, d), (..., m, e)
    weights = _weights(q, k, terms, positional, scale=scale, mask=mask, causal=causal, xp=xp)
    return weigh(weights, v, guarded=causal or mask is not None, xp=xp)


def _weights(q, k, terms, positional, *, scale, mask, causal, xp):
    """All weights (..., n, m)."""
    n, m = q.shape[-2], k.shape[-2]
    bias = positional(_added(q, terms.v_bias), m, terms, xp=xp) * scale if n else None  # (..., n, m)
    seen = mask
    if causal:
        past = band_seen(slice(0, n), slice(0, m), (None, m - n), device=q.device, xp=xp)  # (n, m)
        seen = past if mask is None else past & mask
    return softmax_weights(
        masked_logits(_added(q, terms.u) * scale, k, softcap=None, bias=bias, seen=seen, xp=xp), xp=xp
    )[0]


def _looked_up(x, m, terms, *, xp):
    """The products x_i . r_t by a table of r for every pair: (..., n, m)."""
    n = x.shape[-2]
    i, j = (xp.arange(size, dtype=xp.int64, device=x.device) for size in (n, m))
    pick = xp.reshape(n - 1 - i[:, None] + j[None, :], (n * m,))
    r = xp.take(_distances(n, m, terms, xp=xp), pick, axis=-2)  # (..., n m, d)
    return xp.sum(x[..., :, None, :] * xp.reshape(r, (*r.shape[:-2], n, m, r.shape[-1])), axis=-1)


def _shifted(x, m, terms, *, xp):
    """The products x_i . r_t by one product with all r_t, whose row i begins n - 1 - i distances late: (..., n, m)."""
    return skew(x @ _distances(x.shape[-2], m, terms, xp=xp).mT, m, xp=xp)


def _factored(q, parts, terms, *, scale, mask, causal, xp):
    """Part by part and tile by tile, positions as inner products; merged by log-sum-exps. O(n) memory."""
    past = sum(k.shape[-2] for k, _ in parts[:-1])
    asking, placed, first, outs = _added(q, terms.u), _added(q, terms.v_bias), 0, []
    turned = turn(placed @ terms.w_sin.mT, placed @ terms.w_cos.mT, past, xp=xp)  # (..., n, 2 f)
    for k, v in parts:
        m = k.shape[-2]
        places = _sinusoids(first, m, terms.w_sin.shape[-2], like=q)  # (m, 2 f)
        shown = mask if mask is None or mask.shape[-1] == 1 else mask[..., first : first + m]
        band = (None, 0) if causal and first == past else (None, None)
        outs.append(relative_attend(asking, k, turned, places, v, scale=scale, mask=shown, band=band))
        first += m
    return outs[0][0] if len(outs) == 1 else merge(outs, xp=xp)


def _distances(n, m, terms, *, xp):
    """The vectors r_t for all distances between n queries and the m keys that end with theirs, the farthest first."""
    f = terms.w_sin.shape[-2]
    places = xp.flip(_sinusoids(1 - n, n + m - 1, f, like=terms.w_sin), axis=-2)  # (n + m - 1, 2 f)
    return places[:, :f] @ terms.w_sin + places[:, f:] @ terms.w_cos  # (..., n + m - 1, d)


def _sinusoids(start, count, f, *, like):
    """Sines, then cosines, of f waves at the positions from `start` on: (count, 2 f)."""
    return sinusoidal(count, 2 * f, like=like, offset=start, layout="halves")


def _added(q, bias):
    return q if bias is None else q + bias[..., None, :]


FORMS = {"dense": _dense, "shift": _shift, "factored": _factored}
