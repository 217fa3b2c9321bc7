"""Heads: from a sequence to the queries, keys and values of each, and back.

    q_h = W^Q_h x + b^Q_h,   o_h = softmax_j(scale q_h,i . k_h,j) v_h,   out = sum_h W^O_h o_h + b^O

The mechanisms of this family differ in which heads share keys and values.
"""

from typing import Any

from factorattn.attention.exact.options import band_of, check_pairs, scale_of
from factorattn.attention.exact.softmax import FORMS
from factorattn.contract import working_precision
from factorattn.factor.factored import Factored, Heads, times

__all__ = ["FORMS", "WEIGHTS", "attend_heads", "computed", "project", "project_heads", "unproject"]

WEIGHTS = ("w_q", "w_k", "w_v", "w_o")  # the arguments that may be factored; those of several heads as `Heads`


def computed(*arrays: Any | None, xp: Any) -> tuple[Any, list[Any | None]]:
    """The dtype of the result, and the arrays in the one to compute in; what was left out stays None."""
    dtype, given = working_precision(*(x for x in arrays if x is not None), xp=xp)
    rest = list(given)
    return dtype, [None if x is None else rest.pop(0) for x in arrays]


def project(x: Any, w: Any, b: Any | None = None) -> Any:
    """The rows W x + b of x (..., n, c), with w (..., d, c) and b (..., d): (..., n, d)."""
    rows = times(x, w.mT)
    return rows if b is None else rows + b[..., None, :]


def project_heads(x: Any, w: Any, b: Any | None = None, *, xp: Any) -> Any:
    """The same for h heads, w (..., h, d, c) and b (..., h, d), in one product for all of them: (..., h, n, d)."""
    *batch, h, d, c = w.shape
    if isinstance(w, Factored):  # head by head
        heads = times(x[..., None, :, :], w.mT)  # (..., h, n, d)
    else:
        joined = w.matrix if isinstance(w, Heads) else xp.reshape(w, (*batch, h * d, c))
        rows = times(x, joined.mT)  # (..., n, h d)
        heads = _swapped(xp.reshape(rows, (*rows.shape[:-1], h, d)), xp=xp)  # (..., h, n, d)
    return heads if b is None else heads + b[..., None, :]


def attend_heads(q, k, v, *, mask, bias, causal, scale, size, form, xp) -> Any:
    """Attention in every head: q (..., h, n, d); k, v, mask and bias with h heads or 1."""
    mask, bias = check_pairs(mask, bias, q, k, v, xp=xp)
    band = band_of(causal, None, None, q.shape[-2], k.shape[-2])
    alone = q.shape[-2] == 1 and k.shape[-3] == v.shape[-3] == 1  # a step of a decoder, which sees every key
    if alone:  # heads become rows: one product with the shared keys instead of one for each head
        q, mask, bias = (x if x is None or x.ndim < 3 else _swapped(x, xp=xp) for x in (q, mask, bias))
        band = (None, None)
    o, _ = form(q, k, v, scale=scale_of(scale, size), softcap=None, bias=bias, mask=mask, band=band, xp=xp)
    return _swapped(o, xp=xp) if alone else o  # (..., h, n, e)


def unproject(o: Any, w: Any, b: Any | None = None, *, xp: Any) -> Any:
    """The sum over heads of W_h o_h, from o (..., h, n, e) with w (..., h, c, e) and b (..., c): (..., n, c)."""
    *batch, h, n, e = o.shape
    if isinstance(w, Factored):  # head by head
        out = xp.sum(times(o, w.mT), axis=-3)  # (..., n, c)
    else:
        joined = xp.reshape(_swapped(o, xp=xp), (*batch, n, h * e))  # (..., n, h e)
        whole = w.matrix if isinstance(w, Heads) else _beside(w, xp=xp)  # (..., c, h e)
        out = times(joined, whole.mT)  # (..., n, c)
    return out if b is None else out + b[..., None, :]


def _beside(w, *, xp):
    """The matrices of the heads, w (..., h, c, e), side by side: (..., c, h e)."""
    *batch, h, c, e = w.shape
    return xp.reshape(_swapped(w, xp=xp), (*batch, c, h * e))


def _swapped(x, *, xp):
    """Heads and rows change places, in memory too: (..., h, n, e) and (..., n, h, e)."""
    first = x.ndim - 3
    out = xp.permute_dims(x, (*range(first), first + 1, first, first + 2))
    flat = xp.reshape(out, (*out.shape[:-3], out.shape[-3] * out.shape[-2], out.shape[-1]))  # copies unless one is 1
    return xp.reshape(flat, out.shape)
