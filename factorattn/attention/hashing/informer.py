"""Informer (Zhou et al. 2021): the queries whose attention is sharp attend to all keys, the others take the mean value.

    a_ij = scale q_i . k_j,   M_i = max_{j in J} a_ij - 1/m sum_{j in J} a_ij,   J = some sampled keys
    o_i = sum_j softmax(a_i)_j v_j   for the u queries with the largest M_i,   else 1/m sum_j v_j

A row of attention that is far from uniform has a large M (ProbSparse attention).
"""

import math
from collections.abc import Sequence
from typing import Any

from factorattn.attention.exact.options import check_pairs, scale_of
from factorattn.catalogue import mechanism
from factorattn.contract import check, choose, working_precision
from factorattn.primitives.gather import leaders, take_rows
from factorattn.primitives.pairs import band_seen, masked_logits, softmax_weights, weigh
from factorattn.primitives.softmax_attend import softmax_attend
from factorattn.scalars import flag, generator, whole

__all__ = ["informer_attention"]

INPUTS = "q: ... n d, k: ... m d, v: ... m e, sampled?: p of m, top? = u"
LAZY = {"mean": True, "sum": False}


@mechanism(
    inputs=INPUTS,
    forms=("dense", "gathered"),
    time="n*p*d + u*m*d + u*m*e",
    memory="n*p + n*e",
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
    *,
    sampled: Sequence[int] | None = None,
    top: int | None = None,
    factor: int = 5,
    rng: Any = None,
    lazy: str = "mean",
    mask: Any | None = None,
    causal: bool = False,
    scale: float | None = None,
    form: str = "gathered",
) -> Any:
    """Attend with the queries whose attention is far from uniform; the others get the mean of the values.

    Parameters
    ----------
    q : array, shape (..., n, d)
    k : array, shape (..., m, d)
    v : array, shape (..., m, e)
        Queries, keys and values; batch axes broadcast.
    sampled : sequence of int, optional
        Distinct positions J of the keys from which sharpness is estimated; ``range(m)`` is exact. By default
        factor ceil(log m) of them, drawn.
    top : int, optional
        Number u of queries that attend; n or more is exact attention. By default factor ceil(log n).
    factor : int
        The sampling factor c of the paper, for the two defaults.
    rng : int, numpy.random.Generator or None
        Source of randomness where `sampled` is left out (SPEC 7).
    lazy : {"mean", "sum"}
        What the other queries get. "sum" is not divided by the number of keys: what the authors' code does with
        causality, and trusts a layer norm to undo.
    mask : boolean array broadcasting to (..., n, m), optional
        True where query i may attend to key j. Sharpness and means are then over those keys.
    causal : bool
        Query i sees keys ``j <= i + m - n`` only, and its mean is over those. Sharpness still compares all queries, by
        all sampled keys.
    scale : float, optional
        Factor of q . k; by default 1 / sqrt(d).
    form : {"gathered", "dense"}
        Equal to rounding. "dense" is the definition, O(n m).

    Returns
    -------
    o : array, shape (..., n, e), result dtype of the inputs
        Zeros in rows that may attend to no key.

    Raises
    ------
    ValueError
        If shapes disagree, positions repeat or lie outside, both `sampled` and `rng` are given, or an option is
        unknown.
    TypeError
        If inputs are not floating arrays of one library, or `mask` is not boolean.

    Notes
    -----
    One sample of keys serves all queries, as in algorithm 1 of the paper and in Hugging Face; the authors' code draws
    keys anew for each query, with repetitions. Products that are not sampled count as zero in the mean, which is
    divided by m (the paper: "filling other pairs with zero"). float16 and bfloat16 inputs are computed in float32.

    References
    ----------
    Zhou et al., "Informer: Beyond Efficient Transformer for Long Sequence Time-Series Forecasting", 2021, equation 4
    and algorithm 1. arXiv:2012.07436
    """
    xp, size = check(INPUTS, q=q, k=k, v=v, sampled=sampled, top=top)
    attend, mean = choose(FORMS, form=form), choose(LAZY, lazy=lazy)
    if sampled is not None and rng is not None:
        raise ValueError("rng must be None where sampled positions are given: nothing is left to draw")
    if whole(factor=factor) < 1:
        raise ValueError(f"factor must be a positive integer, got {factor!r}")
    dtype, (q, k, v) = working_precision(q, k, v, xp=xp)
    mask, _ = check_pairs(mask, None, q, k, v, xp=xp)
    causal, scale = flag(causal=causal), scale_of(scale, size["d"])
    n, m = size["n"], size["m"]
    if 0 in (n, m):
        return xp.astype(weigh(q @ k.mT, v, guarded=False, xp=xp), dtype, copy=False)
    if sampled is None:
        sampled = sorted(generator(rng).permutation(m)[: _few(factor, m)].tolist())
    index = xp.asarray(list(sampled), dtype=xp.int64, device=q.device)
    sharpness = _sharpness(q * scale, k, index, mask, xp=xp)  # (..., n)
    chosen = leaders(sharpness, min(n, size.get("u", _few(factor, n))), xp=xp)
    o = attend(q, k, v, *chosen, mean=mean, mask=mask, causal=causal, scale=scale, xp=xp)
    return xp.astype(o, dtype, copy=False)


def _few(factor: int, length: int) -> int:
    """factor ceil(log length), but one at least and no more than there are."""
    return min(length, factor * max(1, math.ceil(math.log(length))))


def _sharpness(q, k, index, mask, *, xp):
    """The measure M of each query: maximum less mean of its sampled logits, all others taken for zero."""
    m = k.shape[-2]
    logits = q @ xp.take(k, index, axis=-2).mT  # (..., n, p)
    if index.shape[0] == 0:
        return xp.zeros(logits.shape[:-1], dtype=q.dtype, device=q.device)
    if mask is None:
        return xp.max(logits, axis=-1) - xp.sum(logits, axis=-1) / m
    some = mask if mask.shape[-1] == 1 else xp.take(mask, index, axis=-1)  # (..., n or 1, p or 1)
    seen = xp.sum(xp.astype(xp.broadcast_to(mask, (*mask.shape[:-1], m)), q.dtype), axis=-1)  # (..., n or 1)
    total = xp.sum(xp.where(some, logits, 0.0), axis=-1)
    return xp.max(xp.where(some, logits, -xp.inf), axis=-1) - total / xp.where(seen == 0, 1.0, seen)
