"""Informer (Zhou et al. 2021): queries with sharp weights attend, the others take the mean of the values.

    a_ij = scale q_i . k_j,   M_i = max_{j in S} a_ij - 1/m sum_{j in S} a_ij,   T = the u queries with the largest M_i
    o_i = sum_j p_ij v_j  with p_ij = softmax over j of a_ij,  where i in T;   o_i = 1/m sum_j v_j  elsewhere

S is a sample of the keys. A query whose M_i is small has nearly equal weights, so that the mean is near its answer.
"""

import math
from typing import Any

import numpy as np
from array_api_compat import is_array_api_obj

from factorattn.attention.exact.options import check_pairs, scale_of
from factorattn.attention.hashing.measure import MEASURES, check_picks, sharpness
from factorattn.catalogue import mechanism
from factorattn.contract import check, choose, working_precision
from factorattn.primitives.gather import take_rows
from factorattn.primitives.pairs import band_seen, masked_logits, softmax_weights, weigh
from factorattn.primitives.softmax_attend import ROWS, softmax_attend
from factorattn.primitives.tiles import scan_tiles
from factorattn.scalars import flag, generator

__all__ = ["informer_attention"]

INPUTS = "q: ... n d, k: ... m d, v: ... m e, picks?: s of m, samples? = s, queries? = u"
FACTOR = 5  # of the logarithms of n and m, as in the authors' code
RESTS = {"mean": True, "sum": False}


@mechanism(
    inputs=INPUTS,
    forms=("dense", "gathered"),
    time="n*s*d + u*m*d + u*m*e",
    memory="n*e",
    causal="values",
    normalised=True,
    positional=True,
    coupled=True,
    paper="zhou2021",
    approximates="softmax_attention",
    knob="u",
)
def informer_attention(
    q: Any,
    k: Any,
    v: Any,
    picks: Any | None = None,
    *,
    samples: int | None = None,
    queries: int | None = None,
    rng: Any = None,
    measure: str = "sampled",
    rest: str = "mean",
    mask: Any | None = None,
    causal: bool = False,
    scale: float | None = None,
    form: str = "gathered",
) -> Any:
    """Let the u queries with the sharpest weights attend, in O((n + m) log n) by default (ProbSparse attention).

    Parameters
    ----------
    q : array, shape (..., n, d)
    k : array, shape (..., m, d)
    v : array, shape (..., m, e)
        Queries, keys and values; batch axes broadcast.
    picks : tuple of int, or integer array of shape (s,) or (..., n, s), optional
        Positions in 0 .. m - 1 of the keys from which queries are measured: the same for all queries, or for each query
        its own. (The values of an array are not checked, and may repeat.) Drawn if left out: the same for all.
    samples : int, optional
        Number s of these keys. By default that of `picks`, or 5 ceil(ln m), and m at the most.
    queries : int, optional
        Number u of queries that attend. By default 5 ceil(ln n); n at the most. With u = n this is softmax attention.
    rng : int, numpy.random.Generator or None
        Source of randomness where `picks` are left out (SPEC 7).
    measure : {"sampled", "averaged", "exact"}
        "sampled" divides the sum over the sampled keys by m, as if the others had logits of zero (the paper's text and
        the authors' code). "averaged" divides it by their number. "exact" looks at all keys, in O(n m d).
    rest : {"mean", "sum"}
        What a query that does not attend gets of the values it may see. With `causal` the authors' code and Hugging
        Face take the sum, whose size grows along the sequence.
    mask : boolean array broadcasting to (..., n, m), optional
        True where query i may attend to key j, in the measure, too: a query that may attend to no sampled key comes
        last. A mask that tells queries apart costs O(n m e).
    causal : bool
        Query i sees keys ``j <= i + m - n`` only. The measure still takes in later keys, and queries compete with later
        ones: see the notes.
    scale : float, optional
        Factor of q . k; by default 1 / sqrt(d).
    form : {"gathered", "dense"}
        Equal to rounding. "dense" is the definition, O(n m); "gathered" has logits of the chosen queries only.

    Returns
    -------
    o : array, shape (..., n, e), result dtype of the inputs
        Zeros in rows that may attend to no key.

    Raises
    ------
    ValueError
        If shapes disagree, positions in a tuple repeat or lie outside 0 .. m - 1, something is given for drawing where
        nothing is drawn, or an option is unknown.
    TypeError
        If inputs are not floating arrays of one library, `mask` is not boolean, or an array of `picks` not integer.

    Notes
    -----
    Of equal measures the first query wins, and a query that holds NaN none: its row is the mean of the values. At least
    one query attends, and one key is sampled: in the authors' code a single query gets the mean. That code draws the
    sample with repetition, anew for each query, which is ``picks=rng.integers(m, size=(n, s))`` here. Hugging Face
    draws one sample for all queries, of ``min(5 n ln m, m)`` keys, hence in O(n m).

    With `causal`, later values never reach an earlier output, but later queries and keys change which queries attend,
    as in the paper and its code, where only the softmax and the mean are masked. float16 and bfloat16 inputs are
    computed in float32.

    References
    ----------
    Zhou, Zhang, Peng, Zhang, Li, Xiong and Zhang, "Informer: Beyond Efficient Transformer for Long Sequence Time-Series
    Forecasting", 2021, equation 4. arXiv:2012.07436
    """
    own = is_array_api_obj(picks)  # positions as an array, which the contract has no word for
    xp, size = check(INPUTS, q=q, k=k, v=v, picks=None if own else picks, samples=samples, queries=queries)
    attend, divide, mean = choose(FORMS, form=form), choose(MEASURES, measure=measure), choose(RESTS, rest=rest)
    dtype, (q, k, v) = working_precision(q, k, v, xp=xp)
    mask, _ = check_pairs(mask, None, q, k, v, xp=xp)
    causal, scale = flag(causal=causal), scale_of(scale, size["d"])
    given = {"q": q, "k": k, "v": v, "mask": mask, "picks": picks if own else None}
    batches = {name: tuple(x.shape)[:-2] for name, x in given.items() if x is not None}
    if own:
        check_picks(picks, size["n"], samples, batches, xp=xp)
    elif picks is not None and not len(picks):
        raise ValueError("picks must be one position at least, got none")
    if measure == "exact" and not picks is samples is rng is None:
        raise ValueError("picks, samples and rng must be None where measure is 'exact': all keys are looked at")
    if picks is not None and rng is not None:
        raise ValueError("rng must be None where picks are given: nothing is left to draw")
    n, m = size["n"], size["m"]
    if 0 in (n, m):
        return xp.zeros((*np.broadcast_shapes(*batches.values()), n, size["e"]), dtype=dtype, device=v.device)
    if measure == "exact":
        picks = None
    elif picks is None:
        picks = generator(rng).choice(m, size=min(size.get("s", _few(m)), m), replace=False).tolist()
    if picks is not None:
        picks = xp.astype(picks, xp.int64) if own else xp.asarray(list(picks), dtype=xp.int64, device=k.device)
    sharp = sharpness(q, k, picks, mask=mask, scale=scale, divide=divide, xp=xp)  # (..., n)
    order = xp.argsort(-sharp, axis=-1, stable=True)
    place = xp.argsort(order, axis=-1, stable=True)
    chosen = min(size.get("u", _few(n)), n)
    o = attend(q, k, v, order, place, chosen, mask=mask, causal=causal, scale=scale, mean=mean, xp=xp)
    return xp.astype(o, dtype, copy=False)


def _few(length):
    """How many of `length` things are looked at: c ln(length), rounded up, and one at least."""
    return min(length, max(1, FACTOR * math.ceil(math.log(length))))


def _dense(q, k, v, order, place, chosen, *, mask, causal, scale, mean, xp):
    """The definition: every pair, weighted by softmax in the rows of chosen queries, evenly in the others."""
    n, m, seen = q.shape[-2], k.shape[-2], mask
    if causal:
        past = band_seen(slice(0, n), slice(0, m), (None, m - n), device=q.device, xp=xp)
        seen = past if mask is None else past & mask
    logits = masked_logits(q * scale, k, softcap=None, bias=None, seen=seen, xp=xp)  # (..., n, m)
    weights, _ = softmax_weights(logits, xp=xp)
    evenly = xp.ones_like(logits) if seen is None else xp.astype(xp.broadcast_to(seen, logits.shape), v.dtype)
    if mean:
        evenly = evenly / xp.maximum(xp.sum(evenly, axis=-1, keepdims=True), xp.ones_like(evenly[..., :1]))
    weights = xp.where((place < chosen)[..., None], weights, evenly)
    return weigh(weights, v, guarded=seen is not None, xp=xp)


def _gathered(q, k, v, order, place, chosen, *, mask, causal, scale, mean, xp):
    """The chosen queries alone attend, and their answers replace the means in their rows."""
    n, m = q.shape[-2], k.shape[-2]
    top = order[..., :chosen]  # (..., u)
    seen = mask if mask is None or mask.shape[-2] == 1 else take_rows(mask, top, xp=xp)  # (..., u or 1, m or 1)
    if causal:
        past = xp.arange(m, dtype=top.dtype, device=q.device) <= top[..., None] + (m - n)  # (..., u, m)
        seen = past if mask is None else seen & past
    o, _ = softmax_attend(take_rows(q, top, xp=xp), k, v, scale=scale, mask=seen)  # (..., u, e)
    others = _others(v, n, mask=mask, causal=causal, mean=mean, xp=xp)  # (..., n or 1, e)
    attends = place < chosen
    return xp.where(attends[..., None], take_rows(o, xp.where(attends, place, 0), xp=xp), others)


def _others(v, n, *, mask, causal, mean, xp):
    """Mean or sum of the values (..., m, e) that each of n queries sees: (..., n, e), or (..., 1, e) for all."""
    m, apart = v.shape[-2], mask is not None and mask.shape[-2] > 1
    if apart:

        def add(_, rows):
            seen = mask[..., rows, :]
            if causal:
                seen = seen & band_seen(rows, slice(0, m), (None, m - n), device=v.device, xp=xp)
            weights = xp.astype(xp.broadcast_to(seen, (*seen.shape[:-1], m)), v.dtype)  # (..., rows, m)
            return None, (weigh(weights, v, guarded=True, xp=xp), xp.sum(weights, axis=-1, keepdims=True))

        _, (total, count) = scan_tiles(add, None, 0, n, ROWS, xp=xp)  # (..., n, e), (..., n, 1)
    else:
        one = xp.ones((m, 1), dtype=v.dtype, device=v.device)
        if mask is not None:
            one, v = one * xp.astype(mask.mT, v.dtype), xp.where(mask.mT, v, 0.0)  # (..., m, 1), (..., m, e)
        if causal:
            total, count = (_beside(xp.cumulative_sum(x, axis=-2), n, xp=xp) for x in (v, one))
        else:
            total, count = (xp.sum(x, axis=-2, keepdims=True) for x in (v, one))  # (..., 1, e), (..., 1, 1)
    return total / xp.where(count == 0, 1.0, count) if mean else total


def _beside(x, n, *, xp):
    """Row i + m - n of x (..., m, e) for each i below n: (..., n, e); zeros where there is none."""
    m = x.shape[-2]
    if m >= n:
        return x[..., m - n :, :]
    return xp.concat([xp.zeros((*x.shape[:-2], n - m, x.shape[-1]), dtype=x.dtype, device=x.device), x], axis=-2)


FORMS = {"dense": _dense, "gathered": _gathered}
