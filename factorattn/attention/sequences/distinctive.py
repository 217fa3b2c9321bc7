"""Distinctive attention (Vaswani et al. 2017): one sequence attends to another.

    q = x W_q^T,   k = y W_k^T,   v = y W_v^T,   o = softmax(scale q k^T) v

Queries come from the sequence x (the decoder), keys and values from y (the encoder): encoder-decoder or
cross-attention. The survey of Chaudhari et al. 2021 calls it distinctive.
"""

from typing import Any

from factorattn.attention.exact.options import band_of, check_pairs, scale_of
from factorattn.attention.sequences.projected import FORMS, WEIGHTS
from factorattn.catalogue import mechanism
from factorattn.contract import check, choose, working_precision

__all__ = ["distinctive_attention"]

INPUTS = "x: ... n c, y: ... m a, w_q: ... d c, w_k: ... d a, w_v: ... e a"


@mechanism(
    inputs=INPUTS,
    forms=("projected", "bilinear", "online"),
    time="n*m*d + n*m*e",
    memory="n*d + m*d + m*e + n*e",
    causal="option",
    normalised=True,
    values=("w_v",),
    paper="vaswani2017",
)
def distinctive_attention(
    x: Any,
    y: Any,
    w_q: Any,
    w_k: Any,
    w_v: Any,
    *,
    mask: Any | None = None,
    causal: bool = False,
    scale: float | None = None,
    form: str = "online",
) -> Any:
    """Attend from one sequence to another one.

    Parameters
    ----------
    x : array, shape (..., n, c)
        The sequence that asks: states of a decoder.
    y : array, shape (..., m, a)
        The sequence that is asked: states of an encoder. Its width may differ.
    w_q : array, shape (..., d, c)
    w_k : array, shape (..., d, a)
    w_v : array, shape (..., e, a)
        Linear layers, in PyTorch's layout: ``q = x w_q^T``. Layers for several heads have a heads axis before the last
        two.
    mask : boolean array broadcasting to (..., n, m), optional
        True where x_i may attend to y_j; shape (..., 1, m) hides padding.
    causal : bool
        x_i sees y_j for ``j <= i + m - n``: only where the two share a clock, as in streaming.
    scale : float, optional
        Factor of q . k; by default 1 / sqrt(d).
    form : {"online", "projected", "bilinear"}
        Equal to rounding. "projected" is the definition and holds all n m weights; "online" goes tile by tile;
        "bilinear" merges W_q^T W_k, so that keys and values are y itself: no projection of y is computed or held,
        which pays where n is small, as in decoding.

    Returns
    -------
    o : array, shape (..., n, e), result dtype of the inputs
        Zeros in rows that may attend to nothing.

    Raises
    ------
    ValueError
        If shapes disagree, or an option is unknown.
    TypeError
        If inputs are not floating arrays of one library, or `mask` is not boolean.

    Notes
    -----
    Weights may be factored matrices (`factorattn.factor`); "bilinear" multiplies them out.

    The first attention of this kind (Bahdanau et al.) scored additively, one decoder state at a time: mechanisms of the
    family `alignment` do. float16 and bfloat16 inputs are computed in float32.

    References
    ----------
    Vaswani et al., "Attention Is All You Need", 2017, section 3.2.3 ("encoder-decoder attention"). arXiv:1706.03762
    Chaudhari et al., "An Attentive Survey of Attention Models", 2021. arXiv:1904.02874
    """
    xp, size = check(INPUTS, factored=WEIGHTS, x=x, y=y, w_q=w_q, w_k=w_k, w_v=w_v)
    attend = choose(FORMS, form=form)
    dtype, (x, y, w_q, w_k, w_v) = working_precision(x, y, w_q, w_k, w_v, xp=xp)
    mask, _ = check_pairs(mask, None, x, y, y, xp=xp)
    band, scale = band_of(causal, None, None, size["n"], size["m"]), scale_of(scale, size["d"])
    return xp.astype(attend(x, y, w_q, w_k, w_v, scale=scale, mask=mask, band=band, xp=xp), dtype, copy=False)
