"""Grouped-query attention (Ainslie et al. 2023): g heads of keys and values, and s heads of queries for each of them.

    head_gi = softmax(scale (W^Q_gi x)(W^K_g y)^T) (W^V_g y),   out = sum_gi W^O_gi head_gi

Between multi-query attention, g = 1, and multi-head attention, s = 1.
"""

from typing import Any

from factorattn.attention.multihead.engine import FORMS, WEIGHTS, attend_heads, computed, project_heads, unproject
from factorattn.catalogue import mechanism
from factorattn.contract import check, choose
from factorattn.factor.factored import Factored, Heads

__all__ = ["grouped_query_attention"]

INPUTS = (
    "x: ... n c, w_q: ... g s d c, w_k: ... g d c, w_v: ... g e c, w_o: ... g s c e, y?: ... m c, "
    "b_q?: ... g s d, b_k?: ... g d, b_v?: ... g e, b_o?: ... c"
)


@mechanism(
    inputs=INPUTS,
    output="n c",
    forms=("dense", "online"),
    time="g*s*n*m*d + g*s*n*m*e",
    memory="g*s*n*d + g*m*d + g*m*e + g*s*n*e",
    causal="option",
    normalised=False,
    values=("w_v", "b_v", "b_o"),
    mask_shape="g s n m",
    paper="ainslie2023",
)
def grouped_query_attention(
    x: Any,
    w_q: Any,
    w_k: Any,
    w_v: Any,
    w_o: Any,
    y: Any | None = None,
    b_q: Any | None = None,
    b_k: Any | None = None,
    b_v: Any | None = None,
    b_o: Any | None = None,
    *,
    mask: Any | None = None,
    bias: Any | None = None,
    causal: bool = False,
    scale: float | None = None,
    form: str = "online",
) -> Any:
    """Attend from a sequence to itself or to another, in groups of heads that share keys and values.

    Parameters
    ----------
    x : array, shape (..., n, c)
        The sequence that asks.
    w_q : array, shape (..., g, s, d, c)
        Projections to the queries of each head. In the usual numbering from 0 this is head g' s + i, the i-th of group
        g': neighbours share.
    w_k : array, shape (..., g, d, c)
    w_v : array, shape (..., g, e, c)
        Projections to the keys and values of each group.
    w_o : array, shape (..., g, s, c, e)
        Projections of the heads' outputs, which are summed.
    y : array, shape (..., m, c), optional
        The sequence that answers, an encoder's output or all tokens so far; by default x.
    b_q : array, shape (..., g, s, d), optional
    b_k : array, shape (..., g, d), optional
    b_v : array, shape (..., g, e), optional
    b_o : array, shape (..., c), optional
        Added to the projections.
    mask : boolean array broadcasting to (..., g, s, n, m), optional
        True where a query may attend to a key. A mask for each sequence of a batch needs two axes of size 1 for heads.
    bias : array broadcasting to (..., g, s, n, m), optional
        Added to the logits: see `factorattn.position`. -inf works as a mask.
    causal : bool
        Query i sees keys ``j <= i + m - n`` only.
    scale : float, optional
        Factor of q . k; by default 1 / sqrt(d).
    form : {"online", "dense"}
        "dense" holds the logits of all pairs and heads; "online" goes through the keys tile by tile.

    Returns
    -------
    out : array, shape (..., n, c), result dtype of the inputs
        A row that may attend to no key in any head is b_o, or zero.

    Raises
    ------
    ValueError
        If shapes disagree, or `form` is unknown.
    TypeError
        If inputs are not floating arrays of one library, or `mask` is not boolean.

    Notes
    -----
    Weights may be factored (`factorattn.factor`): one matrix for all heads as `factorattn.factor.Heads`.

    The paper makes the g key heads of a multi-head checkpoint as means of the s heads of each group, and trains on.
    ``softmax_attention(grouped=True)`` is the same for queries, keys and values that are there already.

    References
    ----------
    Ainslie et al., "GQA: Training Generalized Multi-Query Transformer Models from Multi-Head Checkpoints", 2023,
    section 2.2. arXiv:2305.13245
    """
    given = {"x": x, "w_q": w_q, "w_k": w_k, "w_v": w_v, "w_o": w_o, "y": y}
    xp, size = check(INPUTS, factored=WEIGHTS, **given, b_q=b_q, b_k=b_k, b_v=b_v, b_o=b_o)
    attend = choose(FORMS, form=form)
    dtype, arrays = computed(x, w_q, w_k, w_v, w_o, y, b_q, b_k, b_v, b_o, xp=xp)
    x, w_q, w_k, w_v, w_o, y, b_q, b_k, b_v, b_o = arrays
    y, heads = x if y is None else y, (size["g"], size["s"])
    q = project_heads(x, _flat(w_q, 4, xp=xp), None if b_q is None else _flat(b_q, 3, xp=xp), xp=xp)
    q = xp.reshape(q, (*q.shape[:-3], *heads, *q.shape[-2:]))  # (..., g, s, n, d)
    k, v = (project_heads(y, w, b, xp=xp)[..., None, :, :] for w, b in ((w_k, b_k), (w_v, b_v)))  # (..., g, 1, m, d)
    o = attend_heads(
        q, k, v, mask=mask, bias=bias, causal=causal, scale=scale, size=size["d"], form=attend, xp=xp
    )  # (..., g, s, n, e)
    return xp.astype(unproject(_flat(o, 4, xp=xp), _flat(w_o, 4, xp=xp), b_o, xp=xp), dtype, copy=False)


def _flat(x, axes, *, xp):
    """Groups and their heads as one axis of heads, of x with so many axes beside the batch."""
    if isinstance(x, Heads):
        g, s = x.shape[:2]
        return Heads(x.matrix, g * s, x.side)
    if isinstance(x, Factored):
        raise TypeError("factored weights of grouped heads must be one matrix for all of them, Heads(matrix, (g, s))")
    first = x.ndim - axes
    return xp.reshape(x, (*x.shape[:first], x.shape[first] * x.shape[first + 1], *x.shape[first + 2 :]))
