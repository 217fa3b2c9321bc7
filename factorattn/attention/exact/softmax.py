"""Softmax attention (Vaswani et al. 2017): a mean of the values, weighted by how well their keys match the query.

    a_ij = scale q_i . k_j,   p_ij = exp(a_ij) / sum_l exp(a_il),   o_i = sum_j p_ij v_j

This is the mechanism that all others approximate or replace.
"""

from typing import Any

from factorattn.attention.exact.grouped import check_grouped, join_heads, split_heads
from factorattn.attention.exact.options import band_of, check_pairs, scale_of
from factorattn.catalogue import mechanism
from factorattn.contract import check, choose, working_precision
from factorattn.primitives.pairs import band_seen, masked_logits, softmax_weights, weigh
from factorattn.primitives.softmax_attend import softmax_attend
from factorattn.scalars import flag, positive

__all__ = ["softmax_attention"]

INPUTS = "q: ... n d, k: ... m d, v: ... m e"


@mechanism(
    inputs=INPUTS,
    forms=("dense", "online"),
    time="n*m*d + n*m*e",
    memory="n*e",
    causal="option",
    normalised=True,
    paper="vaswani2017",
)
def softmax_attention(
    q: Any,
    k: Any,
    v: Any,
    *,
    mask: Any | None = None,
    bias: Any | None = None,
    causal: bool = False,
    offset: int | None = None,
    window: int | tuple[int | None, int | None] | None = None,
    scale: float | None = None,
    softcap: float | None = None,
    grouped: bool = False,
    return_lse: bool = False,
    form: str = "online",
) -> Any:
    """Exact attention over all pairs that mask, causality and window allow.

    Parameters
    ----------
    q : array, shape (..., n, d)
        Queries. Batch and heads are the leading axes; they broadcast.
    k : array, shape (..., m, d)
    v : array, shape (..., m, e)
        Keys and values.
    mask : boolean array broadcasting to (..., n, m), optional
        True where query i may attend to key j (PyTorch's ``key_padding_mask`` has the opposite sense).
    bias : array broadcasting to (..., n, m), optional
        Added to the logits, after `scale` and `softcap`. -inf works as a mask.
    causal : bool
        Query i sees keys ``j <= i + offset`` only.
    offset : int, optional, only with `causal` or `window`
        The key that stands beside query 0, for `causal` and `window`. By default m - n: the last query beside the last
        key (what decoding needs; ``torch``'s ``is_causal=True`` is ``offset=0``).
    window : int or (left, right), optional
        Query i sees keys from ``i + offset - left`` to ``i + offset + right``, both included; None is unbounded. An
        int is both. (Libraries disagree whether ``window=w`` counts the query's own key: here it does not.)
    scale : float, optional
        Factor of q . k; by default 1 / sqrt(d).
    softcap : float, optional
        Logits become ``softcap * tanh(logits / softcap)``, before bias and mask.
    grouped : bool
        Grouped-query attention: q has h heads in its axis -3, k and v have g heads there, g divides h, and query head
        i uses key head ``i // (h / g)``.
    return_lse : bool
        Also return the log-sum-exp of the logits.
    form : {"online", "dense"}
        "dense" is the definition and holds all logits; "online" goes through the keys tile by tile in O(n) memory.

    Returns
    -------
    o : array, shape (..., n, e), result dtype of the inputs
        Zeros in rows that may attend to no key.
    lse : array, shape (..., n)
        Only if `return_lse`, in the precision of the computation (float32 at least). Natural logarithm; -inf in rows
        that may attend to no key.

    Raises
    ------
    ValueError
        If shapes disagree, a window is negative, `softcap` is not positive, or an option is unknown.
    TypeError
        If inputs are not floating arrays of one library, or `mask` is not boolean.

    Notes
    -----
    float16 and bfloat16 inputs are computed in float32. NaN or infinity in a key or value reaches only rows that
    attend to it.

    References
    ----------
    Vaswani et al., "Attention Is All You Need", 2017, equation 1. arXiv:1706.03762
    """
    xp, size = check_grouped(q, k, v) if flag(grouped=grouped) else check(INPUTS, q=q, k=k, v=v)
    attend = choose(FORMS, form=form)
    dtype, (q, k, v) = working_precision(q, k, v, xp=xp)
    if grouped:
        q, k, v, mask, bias = split_heads(q, k, v, mask, bias, xp=xp)
    mask, bias = check_pairs(mask, bias, q, k, v, xp=xp)
    band = band_of(causal, window, offset, size["n"], size["m"])
    scale = scale_of(scale, size["d"])
    softcap = None if softcap is None else positive(softcap=softcap)
    o, lse = attend(q, k, v, scale=scale, softcap=softcap, bias=bias, mask=mask, band=band, xp=xp)
    if grouped:
        o, lse = join_heads(o, 2, xp=xp), join_heads(lse, 1, xp=xp)  # (..., h, n, e), (..., h, n)
    o = xp.astype(o, dtype, copy=False)
    return (o, lse) if return_lse else o


def _dense(q, k, v, *, scale, softcap, bias, mask, band, xp):
    """The definition: every pair, O(n m) memory."""
    seen = mask
    if band != (None, None):
        inside = band_seen(slice(0, q.shape[-2]), slice(0, k.shape[-2]), band, device=q.device, xp=xp)
        seen = inside if mask is None else inside & mask
    logits = masked_logits(q * scale, k, softcap=softcap, bias=bias, seen=seen, xp=xp)  # (..., n, m)
    weights, lse = softmax_weights(logits, xp=xp)
    return weigh(weights, v, guarded=seen is not None or bias is not None, xp=xp), lse[..., 0]


def _online(q, k, v, *, scale, softcap, bias, mask, band, xp):
    """The same, keys tile by tile with a running maximum and sum."""
    return softmax_attend(q, k, v, scale=scale, softcap=softcap, bias=bias, mask=mask, band=band)


FORMS = {"dense": _dense, "online": _online}
