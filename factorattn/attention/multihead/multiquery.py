"""Multi-query attention (Shazeer 2019): h heads of queries, and one head of keys and values for all of them.

    head_i = softmax(scale (W^Q_i x)(W^K y)^T) (W^V y),   out = W^O (head_1, ..., head_h)

A decoder keeps d + e numbers for each token instead of h (d + e).
"""

from typing import Any

from factorattn.attention.multihead.engine import (
    FORMS,
    WEIGHTS,
    attend_heads,
    computed,
    project,
    project_heads,
    unproject,
)
from factorattn.catalogue import mechanism
from factorattn.contract import check, choose

__all__ = ["multiquery_attention"]

INPUTS = (
    "x: ... n c, w_q: ... h d c, w_k: ... d c, w_v: ... e c, w_o: ... h c e, y?: ... m c, "
    "b_q?: ... h d, b_k?: ... d, b_v?: ... e, b_o?: ... c"
)


@mechanism(
    inputs=INPUTS,
    output="n c",
    forms=("dense", "online"),
    time="h*n*m*d + h*n*m*e",
    memory="h*n*d + m*d + m*e + h*n*e",
    causal="option",
    normalised=False,
    values=("w_v", "b_v", "b_o"),
    mask_shape="h n m",
    paper="shazeer2019",
)
def multiquery_attention(
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
    """Attend from a sequence to itself or to another, in h heads that share keys and values.

    Parameters
    ----------
    x : array, shape (..., n, c)
        The sequence that asks.
    w_q : array, shape (..., h, d, c)
        Projections to the queries of each head.
    w_k : array, shape (..., d, c)
    w_v : array, shape (..., e, c)
        Projections to the keys and values of all heads.
    w_o : array, shape (..., h, c, e)
        Projections of the heads' outputs, which are summed.
    y : array, shape (..., m, c), optional
        The sequence that answers, an encoder's output or all tokens so far; by default x.
    b_q : array, shape (..., h, d), optional
    b_k : array, shape (..., d), optional
    b_v : array, shape (..., e), optional
    b_o : array, shape (..., c), optional
        Added to the projections. The paper has none.
    mask : boolean array broadcasting to (..., h, n, m), optional
        True where a query may attend to a key. A mask for each sequence of a batch needs an axis of size 1 for heads.
    bias : array broadcasting to (..., h, n, m), optional
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

    The same as `multihead_attention` with every head of w_k equal, and every head of w_v. As many operations on pairs;
    what is less is the reading of keys and values when one token is decoded at a time.

    References
    ----------
    Shazeer, "Fast Transformer Decoding: One Write-Head is All You Need", 2019, section 3. arXiv:1911.02150
    """
    given = {"x": x, "w_q": w_q, "w_k": w_k, "w_v": w_v, "w_o": w_o, "y": y}
    xp, size = check(INPUTS, factored=WEIGHTS, **given, b_q=b_q, b_k=b_k, b_v=b_v, b_o=b_o)
    attend = choose(FORMS, form=form)
    dtype, arrays = computed(x, w_q, w_k, w_v, w_o, y, b_q, b_k, b_v, b_o, xp=xp)
    x, w_q, w_k, w_v, w_o, y, b_q, b_k, b_v, b_o = arrays
    y = x if y is None else y
    q = project_heads(x, w_q, b_q, xp=xp)  # (..., h, n, d)
    k, v = (project(y, w, b)[..., None, :, :] for w, b in ((w_k, b_k), (w_v, b_v)))  # (..., 1, m, d or e)
    o = attend_heads(
        q, k, v, mask=mask, bias=bias, causal=causal, scale=scale, size=size["d"], form=attend, xp=xp
    )  # (..., h, n, e)
    return xp.astype(unproject(o, w_o, b_o, xp=xp), dtype, copy=False)
