"""Heads: from a sequence to the queries, keys and values of each, and back.

    q_h = W^Q_h x + b^Q_h,   o_h = softmax_j(scale q_h,i . k_h,j) v_h,   out = sum_h W^O_h o_h + b^O

The mechanisms of this family differ in which heads share keys and values.
"""

from typing import Any

from factorattn.attention.exact.options import band_of, check_pairs, scale_of
from factorattn.attention.exact.softmax import FORMS
from factorattn.contract import working_precision

__all__ = ["FORMS", "attend_heads", "computed", "project", "unproject"]


def computed(*arrays: Any | None, xp: Any) -> tuple[Any, list[Any | None]]:
    """The dtype of the result, and the arrays in the one to compute in; what was left out stays None."""
    dtype, given = working_precision(*(x for x in arrays if x is not None), xp=xp)
    rest = list(given)
    return dtype, [None if x is None else rest.pop(0) for x in arrays]


def project(x: Any, w: Any, b: Any | None = None) -> Any:
    """The rows W x + b of x (..., n, c), with w (..., d, c) and b (..., d): (..., n, d)."""
    rows = x @ w.mT
    return rows if b is None else rows + b[..., None, :]


def attend_heads(q, k, v, *, mask, bias, causal, scale, size, form, xp) -> Any:
    """Attention in every head: q (..., h, n, d); k, v, mask and bias with h heads or 1."""
    mask, bias = check_pairs(mask, bias, q, k, v, xp=xp)
    band = band_of(causal, None, None, q.shape[-2], k.shape[-2])
    alone = q.shape[-2] == 1 and k.shape[-3] == v.shape[-3] == 1  # a step of a decoder, which sees every key
    if alone:  # heads become rows: one product with the shared keys instead of one for each head
        q, mask, bias = (_swapped(x, xp=xp) for x in (q, mask, bias))  # (..., 1, h, d), (..., 1, h or 1, m)
        band = (None, None)
    o, _ = form(q, k, v, scale=scale_of(scale, size), softcap=None, bias=bias, mask=mask, band=band, xp=xp)
    return _swapped(o, xp=xp) if alone else o  # (..., h, n, e)


def _swapped(x, *, xp):
    """Heads and queries change places; a table without heads is that of all."""
    if x is None or x.ndim < 3:
        return x
    return xp.reshape(x, (*x.shape[:-3], x.shape[-2], x.shape[-3], x.shape[-1]))  # one of the two axes is 1 long


def unproject(o: Any, w: Any, b: Any | None = None, *, xp: Any) -> Any:
    """The sum over heads of W_h o_h, from o (..., h, n, e) with w (..., h, c, e) and b (..., c): (..., n, c)."""
    *batch, h, n, e = o.shape
    joined = xp.reshape(_heads_last(o, xp=xp), (*batch, n, h * e))  # (..., n, h e)
    w = xp.reshape(_heads_last(w, xp=xp), (*w.shape[:-3], w.shape[-2], h * e))  # (..., c, h e)
    out = joined @ w.mT  # (..., n, c)
    return out if b is None else out + b[..., None, :]


def _heads_last(x, *, xp):
    """(..., h, rows, e) as (..., rows, h, e)."""
    first = x.ndim - 3
    return xp.permute_dims(x, (*range(first), first + 1, first, first + 2))
