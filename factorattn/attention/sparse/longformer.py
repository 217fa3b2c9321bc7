"""Longformer (Beltagy et al. 2020): a window for every token, and a few tokens that see and are seen by all.

    pair (i, j) is seen if  |i - j| <= w  or  i in G  or  j in G

Rows of the global tokens may have projections of their own (q_global, k_global, v_global: section 3.1, "linear
projections for global attention").
"""

import operator
from collections.abc import Sequence
from typing import Any

from factorattn.attention.exact.options import scale_of
from factorattn.attention.sparse.engine import attend_neighbours, merge, window_band
from factorattn.catalogue import mechanism, refuse
from factorattn.contract import check, choose, working_precision
from factorattn.primitives.pairs import band_seen, masked_logits, softmax_weights, weigh
from factorattn.primitives.softmax_attend import softmax_attend
from factorattn.scalars import flag

__all__ = ["longformer_attention"]

INPUTS = (
    "q: ... n d, k: ... n d, v: ... n e, window = w, global_tokens: g of n, "
    "q_global?: ... n d, k_global?: ... n d, v_global?: ... n e"
)


@mechanism(
    inputs=INPUTS,
    forms=("dense", "blocked"),
    time="n*w*d + n*w*e + n*g*d + n*g*e",
    memory="n*w + n*g + n*d + n*e",
    causal="option",
    normalised=True,
    values=("v", "v_global"),
    positional=True,
    refuses={
        "mask": "its pairs are those of the window and the global tokens; pattern_attention takes any set of pairs",
    },
    paper="beltagy2020",
    approximates="softmax_attention",
    knob="w",
)
def longformer_attention(
    q: Any,
    k: Any,
    v: Any,
    *,
    window: int = 128,
    global_tokens: Sequence[int] = (),
    q_global: Any | None = None,
    k_global: Any | None = None,
    v_global: Any | None = None,
    causal: bool = False,
    scale: float | None = None,
    mask: None = None,
    form: str = "blocked",
) -> Any:
    """Attend to a window and to global tokens, which attend to everything.

    Parameters
    ----------
    q, k : array, shape (..., n, d)
    v : array, shape (..., n, e)
        Queries, keys and values of one sequence; batch axes broadcast.
    window : int
        Reach to each side, both ends included. The paper's "window size" is 2 w.
    global_tokens : sequence of int
        Distinct positions G in 0 .. n - 1: the classification token, the question, ... None by default.
    q_global, k_global, v_global : array, shapes of q, k, v, optional
        Separate projections for the rows of the global tokens; by default q, k, v. Other rows see the global tokens
        through k and v.
    causal : bool
        No token sees a later one; a global token then sees all earlier ones.
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
        If shapes disagree, positions repeat or lie outside, or an option is unknown.
    TypeError
        If inputs are not floating arrays of one library.

    Notes
    -----
    float16 and bfloat16 inputs are computed in float32.

    References
    ----------
    Beltagy, Peters and Cohan, "Longformer: The Long-Document Transformer", 2020, section 3.1. arXiv:2004.05150
    """
    refuse(longformer_attention, mask=mask)
    xp, size = check(
        INPUTS,
        q=q,
        k=k,
        v=v,
        window=window,
        global_tokens=global_tokens,
        q_global=q_global,
        k_global=k_global,
        v_global=v_global,
    )
    attend = choose(FORMS, form=form)
    if not len(global_tokens) and not (q_global is k_global is v_global is None):
        raise ValueError("q_global, k_global and v_global project global tokens, and there are none; leave them out")
    own = [x if own is None else own for x, own in ((q, q_global), (k, k_global), (v, v_global))]
    dtype, (q, k, v, *own) = working_precision(q, k, v, *own, xp=xp)
    scale = scale_of(scale, size["d"])
    picks = [operator.index(pick) for pick in global_tokens]
    o = attend(q, k, v, own, picks, window=size["w"], causal=flag(causal=causal), scale=scale, xp=xp)
    return xp.astype(o, dtype, copy=False)


def _dense(q, k, v, own, picks, *, window, causal, scale, xp):
    """The definition: every pair, rows of global tokens with their own projections."""
    n = q.shape[-2]
    every = slice(0, n)
    seen = band_seen(every, every, window_band(window, causal), device=q.device, xp=xp)  # (n, n)
    is_global = xp.any(_places(picks, n, like=q, xp=xp)[2], axis=0)  # (n,)
    past = band_seen(every, every, (None, 0 if causal else n), device=q.device, xp=xp)
    seen = (seen | is_global[None, :]) & past
    local, central = (
        weigh(softmax_weights(masked_logits(a * scale, b, softcap=None, bias=None, seen=pairs, xp=xp), xp=xp)[0], c,
              guarded=True, xp=xp)
        for a, b, c, pairs in ((q, k, v, seen), (*own, past))
    )  # fmt: skip
    return xp.where(is_global[:, None], central, local)


def _blocked(q, k, v, own, picks, *, window, causal, scale, xp):
    """Window by blocks, merged with the global columns; then the rows of the global tokens put in their place."""
    if not picks:
        return attend_neighbours(q, k, v, window=window, causal=causal, scale=scale, hidden=None, xp=xp)[0]
    index, i, at = _places(picks, q.shape[-2], like=q, xp=xp)  # (g,), (n,), (g, n)
    is_global = xp.any(at, axis=0)  # (n,)
    slot = xp.sum(xp.where(at, xp.arange(len(picks), dtype=xp.int64, device=q.device)[:, None], 0), axis=0)  # (n,)
    near = attend_neighbours(q, k, v, window=window, causal=causal, scale=scale, hidden=is_global, xp=xp)
    columns = softmax_attend(
        q, xp.take(k, index, axis=-2), xp.take(v, index, axis=-2),
        scale=scale, mask=index[None, :] <= i[:, None] if causal else None,
    )  # fmt: skip
    rows, _ = softmax_attend(
        xp.take(own[0], index, axis=-2),
        own[1],
        own[2],
        scale=scale,
        mask=i[None, :] <= index[:, None] if causal else None,
    )  # (..., g, e)
    return xp.where(is_global[:, None], xp.take(rows, slot, axis=-2), merge([near, columns], xp=xp))


def _places(picks, n, *, like, xp):
    """The picked positions (g,), all positions (n,), and which are equal (g, n)."""
    index = xp.asarray(picks, dtype=xp.int64, device=like.device)
    i = xp.arange(n, dtype=xp.int64, device=like.device)
    return index, i, index[:, None] == i[None, :]


FORMS = {"dense": _dense, "blocked": _blocked}
