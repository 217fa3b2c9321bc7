"""Reformer (Kitaev et al. 2020): a token attends to tokens that a random rotation puts into its bucket (LSH attention).

    h(x) = argmax [x R; -x R],   k_j = q_j / |q_j|,   s_i = place of token i, sorted by (h(q_i), i)
    P_i = union over rounds of { j : h(q_j) = h(q_i)  and  0 <= floor(s_i / b) - floor(s_j / b) <= 1 }
    o_i = sum_{j in P_i} p_ij v_j,   p_ij = softmax over P_i of scale q_i . k_j

Queries and keys are one array. A token sees itself only where it sees no other. Sorted by bucket, the pairs lie in
chunks of b tokens and the chunks before them.
"""

import math
from typing import Any

from factorattn.attention.exact.options import check_pairs
from factorattn.attention.hashing.buckets import default_factors, factors_of, hash_buckets, sorted_by_bucket, together
from factorattn.catalogue import mechanism
from factorattn.contract import check, choose, working_precision
from factorattn.primitives.elementwise import unit_rows
from factorattn.primitives.gather import take_pairs, take_rows
from factorattn.primitives.pairs import masked_logits, softmax_weights, weigh
from factorattn.primitives.softmax_attend import softmax_attend
from factorattn.primitives.tiles import scan_tiles
from factorattn.scalars import flag, generator, real

__all__ = ["reformer_attention"]

INPUTS = "qk: ... n d, v: ... n e, rotations?: ... s d p, block = b, rounds? = s"


@mechanism(
    inputs=INPUTS,
    forms=("dense", "chunked"),
    time="n*s*d*p + n*s*b*d + n*s*b*e + n*s**2*b",
    memory="n*s*p + n*s*b + n*s*d + n*s*e",
    causal="values",
    normalised=True,
    positional=True,
    coupled=True,
    mask_shape="n n",
    paper="kitaev2020",
)
def reformer_attention(
    qk: Any,
    v: Any,
    rotations: Any | None = None,
    *,
    block: int = 64,
    rounds: int | None = None,
    buckets: int | tuple[int, ...] | None = None,
    rng: Any = None,
    mask: Any | None = None,
    causal: bool = False,
    scale: float | None = None,
    form: str = "chunked",
) -> Any:
    """Attend within hash buckets, in time linear in the length for a fixed number of buckets.

    Parameters
    ----------
    qk : array, shape (..., n, d)
        Queries, which are the keys, too; keys are made unit vectors.
    v : array, shape (..., n, e)
        Values; batch axes broadcast.
    rotations : array, shape (..., s, d, p), optional
        A random matrix for each of s rounds of hashing, standard normal; 2 p buckets. Drawn if left out.
    block : int
        Tokens b of a chunk. A bucket of no more than b tokens is seen as a whole.
    rounds : int, optional
        Number s of rounds. By default that of `rotations`, or 1.
    buckets : int or tuple of int, optional
        Number of buckets, even; by default 2 p, or where rotations are drawn the paper's 2 n / b. A tuple stands for
        the product of its even numbers: their halves share the p columns of a rotation. (The default becomes such a
        product of two where it is large, since hashing into n / b buckets one by one takes n^2 operations.)
    rng : int, numpy.random.Generator or None
        Source of randomness where `rotations` are left out (SPEC 7).
    mask : boolean array broadcasting to (..., n, n), optional
        True where token i may attend to token j. A token that no token may see, not even itself, is padding: it is
        sorted behind all others, as if the sequence ended before it, and its row is zero.
    causal : bool
        No token sees a later one. Later tokens still take part in sorting: see the notes.
    scale : float, optional
        Factor of q . k; by default 1, since keys have length 1.
    form : {"chunked", "dense"}
        Equal to rounding. "dense" is the definition, O(n^2).

    Returns
    -------
    o : array, shape (..., n, e), result dtype of the inputs

    Raises
    ------
    ValueError
        If shapes disagree, buckets are odd or do not fit the rotations, both `rotations` and `rng` are given, or an
        option is unknown.
    TypeError
        If inputs are not floating arrays of one library, or `mask` is not boolean.

    Notes
    -----
    A pair that several rounds find counts once: within a round its logit is lowered by the logarithm of the number of
    rounds that find it (appendix A of the paper), and rounds are joined by their log-sum-exp. The first chunk looks
    back at none (equation 5 of the paper); trax and Hugging Face let it look at the last one. They also attend to all
    of a chunk, whatever the bucket, and count a pair once for every round that finds it.

    Where chunks begin depends on all tokens: with `causal`, later values never reach an earlier output, but later
    queries can change which pairs are seen. float16 and bfloat16 inputs are computed in float32.

    References
    ----------
    Kitaev, Kaiser and Levskaya, "Reformer: The Efficient Transformer", 2020, section 2 and appendix A.
    arXiv:2001.04451
    """
    xp, size = check(INPUTS, qk=qk, v=v, rotations=rotations, block=block, rounds=rounds)
    attend = choose(FORMS, form=form)
    given = (qk, v) if rotations is None else (qk, v, rotations)
    dtype, (qk, v, *drawn) = working_precision(*given, xp=xp)
    mask, _ = check_pairs(mask, None, qk, qk, v, xp=xp)
    if rotations is not None and rng is not None:
        raise ValueError("rng must be None where rotations are given: nothing is left to draw")
    if rotations is None:
        factors = factors_of(default_factors(size["n"], size["b"]) if buckets is None else buckets)
        shape = (size.get("s", 1), size["d"], sum(factors) // 2)
        drawn = [xp.asarray(generator(rng).standard_normal(shape), dtype=qk.dtype, device=qk.device)]
    else:
        factors = factors_of(2 * size["p"] if buckets is None else buckets, halves=size["p"])
    causal, scale = flag(causal=causal), 1.0 if scale is None else real(scale=scale)
    if size["n"] == 0:
        return xp.astype(weigh(qk @ qk.mT, v, guarded=False, xp=xp), dtype, copy=False)
    bucket = hash_buckets(qk, drawn[0], factors, mask=mask, xp=xp)  # (..., s, n)
    block = min(size["b"], size["n"])
    places = sorted_by_bucket(bucket, math.prod(factors), block, xp=xp)
    o = attend(qk, unit_rows(qk, xp=xp), v, places, block=block, mask=mask, causal=causal, scale=scale, xp=xp)
    return xp.astype(o, dtype, copy=False)


def _dense(q, k, v, places, *, block, mask, causal, scale, xp):
    """The definition: every pair, seen if some round finds it."""
    i = xp.arange(q.shape[-2], dtype=xp.int64, device=q.device)
    _, _, code = places  # (..., s, n)
    found = xp.any(together(code[..., :, None], code[..., None, :]), axis=-3)  # (..., n, n)
    seen = found & _others(i[:, None], i[None, :], causal)
    seen = seen if mask is None else seen & mask
    weights, lse = softmax_weights(masked_logits(q * scale, k, softcap=None, bias=None, seen=seen, xp=xp), xp=xp)
    return _or_itself(weigh(weights, v, guarded=True, xp=xp), lse, v, mask, xp=xp)


def _chunked(q, k, v, places, *, block, mask, causal, scale, xp):
    """Sorted by bucket: each chunk meets itself and the chunk before it, in all rounds at once."""
    order, place, code = places  # (..., s, n)
    rounds, n = code.shape[-2:]
    order = _filled(order, -(-n // block) * block - n, xp=xp)  # (..., s, n'): whole chunks

    def in_order(x):
        """The rows of x (..., n, d), sorted and cut: (..., s, n'/b, b, d)."""
        x = take_rows(x[..., None, :, :], order, xp=xp)
        return xp.reshape(x, (*x.shape[:-2], -(-n // block), block, x.shape[-1]))

    i = xp.reshape(order, (*order.shape[:-1], -(-n // block), block))  # (..., s, n'/b, b): whose place it is
    behind = xp.reshape(xp.arange(order.shape[-1], dtype=xp.int64, device=q.device) >= n, i.shape[-2:])  # (n'/b, b)
    own = xp.where(behind, NOWHERE, xp.reshape(xp.take_along_axis(code, order, axis=-1), i.shape))
    j = _with_chunk_before(i[..., None], 0, xp=xp).mT  # (..., s, n'/b, 1, 2b)
    seen = together(own[..., None], _with_chunk_before(own[..., None], NOWHERE, xp=xp).mT)  # (..., s, n'/b, b, 2b)
    seen = seen & _others(i[..., None], j, causal)
    if mask is not None:
        seen = seen & take_pairs(mask[..., None, None, :, :], i[..., None], j, xp=xp)

    def count(found, z):
        """Add the pairs that round z finds."""
        c = in_order(code[..., z, :].mT)  # (..., s, n'/b, b, 1)
        return found + xp.astype(together(c, _with_chunk_before(c, NOWHERE, xp=xp).mT), q.dtype), None

    bias = None
    if rounds > 1:
        found, _ = scan_tiles(count, 0.0, 0, rounds, 1, xp=xp)
        bias = -xp.log(xp.where(found == 0, 1.0, found))  # (..., s, n'/b, b, 2b)
    o, lse = softmax_attend(
        in_order(q), _with_chunk_before(in_order(k), 0.0, xp=xp), _with_chunk_before(in_order(v), 0.0, xp=xp),
        scale=scale, bias=bias, mask=seen,
    )  # (..., s, n'/b, b, e), (..., s, n'/b, b)  # fmt: skip
    o = take_rows(xp.reshape(o, (*o.shape[:-3], order.shape[-1], o.shape[-1])), place, xp=xp)  # (..., s, n, e)
    lse = take_rows(xp.reshape(lse, (*lse.shape[:-2], order.shape[-1], 1)), place, xp=xp)  # (..., s, n, 1)
    shares, lse = softmax_weights(lse[..., 0].mT, xp=xp)  # (..., n, s), (..., n, 1)
    return _or_itself(xp.sum(o * shares.mT[..., None], axis=-3), lse, v, mask, xp=xp)


NOWHERE = -2  # differs from every code by more than one


def _filled(order, more, *, xp):
    """The order with `more` places behind it, which hold the first token; no code of theirs matches."""
    if not more:
        return order
    return xp.concat([order, xp.zeros((*order.shape[:-1], more), dtype=order.dtype, device=order.device)], axis=-1)


def _with_chunk_before(x, nothing, *, xp):
    """The rows of each chunk of x (..., c, b, d) behind those of the chunk before it: (..., c, 2b, d)."""
    start = xp.full((*x.shape[:-3], 1, *x.shape[-2:]), nothing, dtype=x.dtype, device=x.device)
    return xp.concat([xp.concat([start, x[..., :-1, :, :]], axis=-3), x], axis=-2)


def _others(i, j, causal):
    """Which tokens j token i may see: all but itself, or those before it."""
    return j < i if causal else j != i


def _or_itself(o, lse, v, mask, *, xp):
    """The value of the token itself where it saw no other, if the mask lets it see that."""
    if mask is not None:
        i = xp.arange(v.shape[-2], dtype=xp.int64, device=v.device)
        v = xp.where(take_pairs(mask, i[:, None], i[:, None], xp=xp), v, 0.0)
    return xp.where(lse == -xp.inf, v, o)


FORMS = {"dense": _dense, "chunked": _chunked}
