"""Self-attention (Vaswani et al. 2017): one sequence attends to itself.

    q = x W_q^T,   k = x W_k^T,   v = x W_v^T,   o = softmax(scale q k^T) v

Every position asks (W_q), offers (W_k) and tells (W_v) by a linear layer of its own row.
"""

from typing import Any

from factorattn.attention.exact.options import band_of, check_pairs, scale_of
from factorattn.attention.sequences.projected import FORMS, WEIGHTS
from factorattn.catalogue import mechanism
from factorattn.contract import check, choose, working_precision

__all__ = ["self_attention"]

INPUTS = "x: ... n c, w_q: ... d c, w_k: ... d c, w_v: ... e c"


@mechanism(
    inputs=INPUTS,
    forms=("projected", "bilinear", "online"),
    time="n**2*d + n**2*e",
    memory="n*d + n*e",
    causal="option",
    normalised=True,
    values=("w_v",),
    mask_shape="n n",
    paper="vaswani2017",
)
def self_attention(
    x: Any,
    w_q: Any,
    w_k: Any,
    w_v: Any,
    *,
    mask: Any | None = None,
    causal: bool = False,
    scale: float | None = None,
    form: str = "online",
) -> Any:
    """Attend to the positions of the same sequence.

    Parameters
    ----------
    x : array, shape (..., n, c)
    w_q, w_k : array, shape (..., d, c)
    w_v : array, shape (..., e, c)
        Linear layers, in PyTorch's layout: ``q = x w_q^T``. Layers for several heads have a heads axis before the last
        two, as x then has: ``x[:, None]`` with w_q of shape (h, d, c). Biases are a column of ones in x.
    mask : boolean array broadcasting to (..., n, n), optional
        True where position i may attend to position j.
    causal : bool
        Position i sees itself and earlier ones.
    scale : float, optional
        Factor of q . k; by default 1 / sqrt(d).
    form : {"online", "projected", "bilinear"}
        Equal to rounding. "projected" is the definition and holds all n^2 weights; "online" goes tile by tile;
        "bilinear" merges W_q^T W_k, so that keys and values are x itself: less is held, and with c > d more computed.

    Returns
    -------
    o : array, shape (..., n, e), result dtype of the inputs
        Zeros in rows that may attend to no position.

    Raises
    ------
    ValueError
        If shapes disagree, or an option is unknown.
    TypeError
        If inputs are not floating arrays of one library, or `mask` is not boolean.

    Notes
    -----
    Weights may be factored matrices (`factorattn.factor`); "bilinear" multiplies them out.

    In the merged form the logits are the general score of Luong et al. with a matrix of rank d. float16 and bfloat16
    inputs are computed in float32.

    References
    ----------
    Vaswani et al., "Attention Is All You Need", 2017, sections 3.2.1 and 3.2.3. arXiv:1706.03762
    """
    xp, size = check(INPUTS, factored=WEIGHTS, x=x, w_q=w_q, w_k=w_k, w_v=w_v)
    attend = choose(FORMS, form=form)
    dtype, (x, w_q, w_k, w_v) = working_precision(x, w_q, w_k, w_v, xp=xp)
    mask, _ = check_pairs(mask, None, x, x, x, xp=xp)
    band, scale = band_of(causal, None, None, size["n"], size["n"]), scale_of(scale, size["d"])
    return xp.astype(attend(x, x, w_q, w_k, w_v, scale=scale, mask=mask, band=band, xp=xp), dtype, copy=False)
