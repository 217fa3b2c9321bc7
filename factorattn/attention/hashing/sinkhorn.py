"""Sinkhorn attention (Tay et al. 2020): blocks of keys are sorted softly, and each place is met by a block of queries.

    S = balanced(R),   k~_{i b + c} = sum_j S_ij k_{j b + c},   v~ likewise         block i of the sorted sequence
    o_i = softmax over the sorted block and the own block of i of scale q_i . (k~ | k), times (v~ | v)

R_ij scores how well block j would stand at place i; see `factorattn.attention.hashing.sorting`. With SortCut every
query meets the first blocks of the sorted sequence.
"""

from typing import Any

import numpy as np
from array_api_compat import array_namespace, is_array_api_obj

from factorattn.attention.exact.options import scale_of
from factorattn.attention.hashing.clusters import rounds_of
from factorattn.attention.hashing.sorting import balanced, cut_blocks, mean_scores
from factorattn.attention.sparse.engine import merge
from factorattn.catalogue import mechanism, refuse
from factorattn.contract import check, check_batches, choose, working_precision
from factorattn.primitives.gather import take_pairs
from factorattn.primitives.pairs import masked_logits, softmax_weights, weigh
from factorattn.primitives.softmax_attend import softmax_attend
from factorattn.scalars import flag, positive, whole

__all__ = ["sinkhorn_attention"]

INPUTS = "q: ... n d, k: ... n d, v: ... n e, block = b"
LOCAL = {"joint": "joint", "sum": "sum", "none": "none"}


@mechanism(
    inputs=INPUTS,
    forms=("dense", "blocked"),
    time="n*b*d + n*b*e + n**2*d/b + n**2*e/b",
    memory="n*b + n*d + n*e + n**2/b**2",
    causal="option",
    normalised=False,
    positional=True,
    coupled=True,
    refuses={
        "mask": "a sorted key is a mixture of keys of all blocks, so none can be hidden; leave out what none may see",
    },
    paper="tay2020",
    approximates="softmax_attention",
    knob="b",
)
def sinkhorn_attention(
    q: Any,
    k: Any,
    v: Any,
    scores: Any | None = None,
    *,
    block: int = 64,
    iterations: int = 7,
    temperature: float = 0.75,
    cut: int | None = None,
    local: str = "joint",
    causal: bool = False,
    scale: float | None = None,
    mask: None = None,
    form: str = "blocked",
) -> Any:
    """Attend to the own block and to a block that a balanced matrix sorts there.

    Parameters
    ----------
    q, k : array, shape (..., n, d)
    v : array, shape (..., n, e)
        Queries, keys and values of one sequence; batch axes broadcast. The last block is filled up with zeros.
    scores : array, shape (..., n / b, n / b), optional
        The scores R before balancing (n / b rounded up): what a sorting network says, as
        `factorattn.attention.hashing.network_scores`, with Gumbel noise if any. By default the scaled inner
        product of the mean query of block i and the mean key of block j.
    block : int
        Tokens b of a block.
    iterations : int
        Rounds of balancing, rows and then columns; 0 takes the exponentials as they are.
    temperature : float
        Scores are divided by it.
    cut : int, optional
        SortCut: every query meets the first `cut` blocks of the sorted sequence, in n cut b operations.
    local : {"joint", "sum", "none"}
        What becomes of the own block: one softmax over it and the sorted one; a softmax for each, and their sum; left
        out.
    causal : bool
        No query sees a later token: sorted blocks hold earlier blocks only, and the first block of queries sees its own
        alone. Scores that are given must be causal themselves: row i from tokens up to the first one of block i.
    scale : float, optional
        Factor of q . k; by default 1 / sqrt(d).
    mask : None
        Refused, with the reason.
    form : {"blocked", "dense"}
        Equal to rounding. "dense" is the definition, O(n^2).

    Returns
    -------
    o : array, shape (..., n, e), result dtype of the inputs

    Raises
    ------
    ValueError
        If shapes disagree, `cut` is given with `causal`, or an option is unknown.
    TypeError
        If inputs are not floating arrays of one library.

    Notes
    -----
    After the last round columns sum to one, and rows only in the limit: constant values do not quite stay.

    Three readings of the local term are in use, hence `local`: lucidrains/sinkhorn-transformer has "joint", the
    authors' code in Long Range Arena "sum", their survey (arXiv:2009.06732) "none". Neither code is an oracle: at the
    time of writing the one takes sorted keys for the sorted values, and the other contracts no index of the matrix with
    the blocks. float16 and bfloat16 inputs are computed in float32.

    References
    ----------
    Tay, Bahri, Yang, Metzler and Juan, "Sparse Sinkhorn Attention", 2020. arXiv:2002.11296
    """
    refuse(sinkhorn_attention, mask=mask)
    xp, size = check(INPUTS, q=q, k=k, v=v, block=block)
    attend, local = choose(FORMS, form=form), choose(LOCAL, local=local)
    causal, temperature = flag(causal=causal), positive(temperature=temperature)
    iterations = rounds_of(iterations)
    if cut is not None and whole(cut=cut) < 1:
        raise ValueError(f"cut must be at least 1, got {cut!r}")
    if causal and cut is not None:
        raise ValueError("cut must be None where causal: the blocks that are sorted to the front are of all times")
    n, scale = size["n"], scale_of(scale, size["d"])
    block = max(1, min(size["b"], n))
    if scores is not None:
        _check_scores(scores, -(-n // block), q, k, v, xp=xp)
    given = (q, k, v) if scores is None else (q, k, v, scores)
    dtype, (q, k, v, *scored) = working_precision(*given, xp=xp)
    if n == 0:
        return xp.astype(weigh(q @ k.mT, v, guarded=False, xp=xp), dtype, copy=False)
    scores = scored[0] if scored else mean_scores(q, k, block, causal=causal, scale=scale, xp=xp)
    s = balanced(scores, iterations=iterations, temperature=temperature, causal=causal, xp=xp)  # (..., n/b, n/b)
    o = attend(q, k, v, s, block=block, cut=cut, local=local, causal=causal, scale=scale, xp=xp)
    return xp.astype(o, dtype, copy=False)


def _check_scores(scores, blocks, q, k, v, *, xp):
    """Scores are an array of the same library, floating, a number for each pair of blocks."""
    if not is_array_api_obj(scores) or array_namespace(scores) is not xp:
        raise TypeError(f"scores must be an array of the same library as q, got {type(scores).__name__}")
    if not xp.isdtype(scores.dtype, "real floating"):
        raise TypeError(f"scores must have dtype real floating, got {scores.dtype}")
    if tuple(scores.shape)[-2:] != (blocks, blocks):
        raise ValueError(f"scores must have shape (..., {blocks}, {blocks}), got {tuple(scores.shape)}")
    check_batches({name: tuple(x.shape)[:-2] for name, x in (("q", q), ("k", k), ("v", v), ("scores", scores))})


def _dense(q, k, v, s, *, block, cut, local, causal, scale, xp):
    """The definition: the sorted sequence by a matrix of n x n, and every pair of it and of the own sequence."""
    n = q.shape[-2]
    places = s.shape[-1] * block
    i = xp.arange(places, dtype=xp.int64, device=q.device)
    moved = take_pairs(s, i[:, None] // block, i[None, :n] // block, xp=xp)  # (..., n', n)
    moved = xp.where(i[:, None] % block == i[None, :n] % block, moved, 0.0)
    keys, values = (weigh(moved, x, guarded=causal, xp=xp) for x in (k, v))  # (..., n', d), (..., n', e)
    own = i[:n, None] // block == i[None, :] // block  # (n, n')
    near = own if cut is None else xp.broadcast_to(i[None, :] < cut * block, (n, places))
    if causal:
        near = near & (i[:n, None] >= block)
    own = own[:, :n] & (i[None, :n] <= i[:n, None]) if causal else own[:, :n]
    sorted_part = masked_logits(q * scale, keys, softcap=None, bias=None, seen=near, xp=xp)  # (..., n, n')
    own_part = masked_logits(q * scale, k, softcap=None, bias=None, seen=own, xp=xp)  # (..., n, n)
    if local == "joint":
        batch = np.broadcast_shapes(sorted_part.shape[:-2], own_part.shape[:-2])  # scores may have batch axes
        both = [xp.broadcast_to(x, (*batch, *x.shape[-2:])) for x in (sorted_part, own_part)]
        weights, _ = softmax_weights(xp.concat(both, axis=-1), xp=xp)  # (..., n, n' + n)
        near_weights, own_weights = weights[..., :places], weights[..., places:]
    else:
        near_weights, own_weights = (softmax_weights(x, xp=xp)[0] for x in (sorted_part, own_part))
    o = weigh(near_weights, values, guarded=True, xp=xp)
    return o if local == "none" else o + weigh(own_weights, v, guarded=True, xp=xp)


def _blocked(q, k, v, s, *, block, cut, local, causal, scale, xp):
    """Block by block: the sorted block (or the first few of all), and the own one, joined by their log-sum-exp."""
    n, blocks, e = q.shape[-2], s.shape[-1], v.shape[-1]
    q, k, v = (cut_blocks(x, block, xp=xp) for x in (q, k, v))  # (..., n/b, b, d)
    keys, values = (_mixed(s[..., :cut, :], x, guarded=causal, xp=xp) for x in (k, v))  # (..., n/b or cut, b, d)
    if cut is not None:  # the same for all blocks of queries
        keys, values = (xp.reshape(x, (*x.shape[:-3], 1, x.shape[-3] * block, x.shape[-1])) for x in (keys, values))
    i = xp.arange(blocks * block, dtype=xp.int64, device=q.device)
    later = xp.reshape(i >= block, (blocks, block, 1)) if causal else None  # the first block has none before it
    parts = [softmax_attend(q, keys, values, scale=scale, mask=later)]  # (..., n/b, b, e), (..., n/b, b)
    if local != "none":
        there = xp.reshape(i < n, (blocks, 1, block)) if blocks * block > n else None
        parts.append(softmax_attend(q, k, v, scale=scale, mask=there, band=(None, 0 if causal else None)))
    shape = np.broadcast_shapes(*(lse.shape for _, lse in parts))  # scores may have batch axes of their own
    parts = [(o, xp.broadcast_to(lse, shape)) for o, lse in parts]
    o = merge(parts, xp=xp) if local == "joint" else sum(o for o, _ in parts)
    return xp.reshape(o, (*o.shape[:-3], blocks * block, e))[..., :n, :]


def _mixed(s, x, *, guarded, xp):
    """Blocks of x (..., n/b, b, d) mixed by the rows of s (..., t, n/b): (..., t, b, d)."""
    *batch, blocks, block, d = x.shape
    mixed = weigh(s, xp.reshape(x, (*batch, blocks, block * d)), guarded=guarded, xp=xp)
    return xp.reshape(mixed, (*mixed.shape[:-1], block, d))


FORMS = {"dense": _dense, "blocked": _blocked}
