"""Multi-head attention (Vaswani et al. 2017): h attentions in parallel, each between projections of its own.

    head_i = softmax(scale (W^Q_i x)(W^K_i y)^T) (W^V_i y),   out = W^O (head_1, ..., head_h)

A row of x is projected as a column, W x; the columns of W^O that belong to head i are w_o[i].
"""

from typing import Any

from factorattn.attention.multihead.engine import FORMS, WEIGHTS, attend_heads, computed, project_heads, unproject
from factorattn.catalogue import mechanism
from factorattn.contract import check, choose

__all__ = ["multihead_attention"]

INPUTS = (
    "x: ... n c, w_q: ... h d c, w_k: ... h d c, w_v: ... h e c, w_o: ... h c e, y?: ... m c, "
    "b_q?: ... h d, b_k?: ... h d, b_v?: ... h e, b_o?: ... c"
)


@mechanism(
    inputs=INPUTS,
    output="n c",
    forms=("dense", "online"),
    time="h*n*m*d + h*n*m*e",
    memory="h*n*d + h*m*d + h*m*e + h*n*e",
    causal="option",
    normalised=False,
    values=("w_v", "b_v", "b_o"),
    mask_shape="h n m",
    paper="vaswani2017",
)
def multihead_attention(
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
    """Attend from a sequence to itself or to another, in h heads.

    Parameters
    ----------
    x : array, shape (..., n, c)
        The sequence that asks.
    w_q, w_k : array, shape (..., h, d, c)
        Projections to queries and keys.
    w_v : array, shape (..., h, e, c)
        Projections to values.
    w_o : array, shape (..., h, c, e)
        Projections of the heads' outputs, which are summed.
    y : array, shape (..., m, c), optional
        The sequence that answers, an encoder's output or all tokens so far; by default x.
    b_q, b_k : array, shape (..., h, d), optional
    b_v : array, shape (..., h, e), optional
    b_o : array, shape (..., c), optional
        Added to the projections. The paper has none; most libraries do.
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

    PyTorch's ``in_proj_weight`` (3 h d, c) is w_q, w_k and w_v one behind the other, heads first; its
    ``out_proj.weight`` (c, h e) is w_o with axes (c, h, e).

    The output is linear in w_v, b_v and b_o together, and in w_o and b_o together, but not in all four.

    References
    ----------
    Vaswani et al., "Attention Is All You Need", 2017, section 3.2.2. arXiv:1706.03762
    """
    given = {"x": x, "w_q": w_q, "w_k": w_k, "w_v": w_v, "w_o": w_o, "y": y}
    xp, size = check(INPUTS, factored=WEIGHTS, **given, b_q=b_q, b_k=b_k, b_v=b_v, b_o=b_o)
    attend = choose(FORMS, form=form)
    dtype, arrays = computed(x, w_q, w_k, w_v, w_o, y, b_q, b_k, b_v, b_o, xp=xp)
    x, w_q, w_k, w_v, w_o, y, b_q, b_k, b_v, b_o = arrays
    y = x if y is None else y
    q = project_heads(x, w_q, b_q, xp=xp)  # (..., h, n, d)
    k, v = (project_heads(y, w, b, xp=xp) for w, b in ((w_k, b_k), (w_v, b_v)))  # (..., h, m, d or e)
    o = attend_heads(
        q, k, v, mask=mask, bias=bias, causal=causal, scale=scale, size=size["d"], form=attend, xp=xp
    )  # (..., h, n, e)
    return xp.astype(unproject(o, w_o, b_o, xp=xp), dtype, copy=False)
