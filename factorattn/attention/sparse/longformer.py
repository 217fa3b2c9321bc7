"""Longformer (Beltagy et al. 2020): a window for every token, and a few tokens that see and are seen by all.

    pair (i, j) is seen if  i - j = 0, +-s, .., +-w s  or  i in G  or  j in G

The window may be dilated: s = 1 is a plain one, |i - j| <= w. Rows of the global tokens may have projections of their
own (q_global, k_global, v_global: section 3.1, "linear projections for global attention").
"""

import operator
from collections.abc import Sequence
from typing import Any

from factorattn.attention.exact.options import check_pairs, scale_of
from factorattn.attention.sparse.central import both, is_central, with_central
from factorattn.attention.sparse.engine import attend_neighbours, of_keys
from factorattn.attention.sparse.gather import by_tiles, positions
from factorattn.catalogue import mechanism
from factorattn.contract import check, choose, working_precision
from factorattn.pattern import at_least, columns, dilated
from factorattn.primitives.pairs import band_seen, masked_logits, softmax_weights, weigh
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
    memory="n*g + n*e",
    causal="option",
    normalised=True,
    values=("v", "v_global"),
    positional=True,
    mask_shape="n n",
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
    dilation: int = 1,
    scale: float | None = None,
    mask: Any | None = None,
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
    dilation : int
        Step s between the keys of the window, which then reaches w s to each side ("dilated sliding window"; the paper
        gives some heads a dilation: call them apart).
    scale : float, optional
        Factor of q . k; by default 1 / sqrt(d).
    mask : boolean array broadcasting to (..., n, n), optional
        True where query i may attend to key j, besides.
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
    picks = [operator.index(pick) for pick in global_tokens]
    mask, _ = check_pairs(mask, None, q, k, v, xp=xp)
    options = {"window": size["w"], "dilation": at_least("dilation", dilation, 1), "causal": flag(causal=causal)}
    o = attend(q, k, v, own, picks, **options, scale=scale_of(scale, size["d"]), mask=mask, xp=xp)
    return xp.astype(o, dtype, copy=False)


def _dense(q, k, v, own, picks, *, window, dilation, causal, scale, mask, xp):
    """The definition: every pair, rows of global tokens with their own projections."""
    n = q.shape[-2]
    every = slice(0, n)
    i, j = positions(n, like=q, xp=xp)
    apart = i - j  # (n, n)
    seen = (xp.abs(apart) <= window * dilation) & (apart % dilation == 0)
    is_global = is_central(picks, n, like=q, xp=xp)  # (n,)
    past = band_seen(every, every, (None, 0 if causal else n), device=q.device, xp=xp)
    past = past if mask is None else past & mask
    seen = (seen | is_global[None, :]) & past
    local, central = (
        weigh(softmax_weights(masked_logits(a * scale, b, softcap=None, bias=None, seen=pairs, xp=xp), xp=xp)[0], c,
              guarded=True, xp=xp)
        for a, b, c, pairs in ((q, k, v, seen), (*own, past))
    )  # fmt: skip
    return xp.where(is_global[:, None], central, local)


def _blocked(q, k, v, own, picks, *, window, dilation, causal, scale, mask, xp):
    """Window by blocks, without its global keys; their columns and rows beside it."""
    n = q.shape[-2]
    options = {"window": window, "dilation": dilation, "causal": causal}
    if dilation > 1 and not of_keys(mask):
        pairs = dilated(n, **options) - columns(n, n, picks)
        near = by_tiles(q, k, v, pairs, scale=scale, mask=mask, xp=xp)
    else:
        shown = both(mask, ~is_central(picks, n, like=q, xp=xp)[None, :] if picks else None)
        near = attend_neighbours(q, k, v, **options, scale=scale, mask=shown, xp=xp)
    return with_central([near], q, k, v, own, picks, causal=causal, scale=scale, mask=mask, xp=xp)


FORMS = {"dense": _dense, "blocked": _blocked}
