"""Transformer-XL (Dai et al. 2019): queries of a segment attend to what earlier segments left behind, and to their own.

    o_i = sum_j p_ij v_j,   p = softmax of a_ij over the keys j of [memory; segment]

    a_ij = scale ( q_i . k_j  +  q_i . r_(i-j)  +  u . k_j  +  v_bias . r_(i-j) ),   r_t = W_kR R_t
                      (a)            (b)             (c)            (d)

where i - j is counted along [memory; segment], and R_t are the sines and cosines of distance t.
"""

from typing import Any

from factorattn.attention.memory.relative import Terms, attend_segments
from factorattn.catalogue import mechanism
from factorattn.contract import check

__all__ = ["transformer_xl_attention"]

INPUTS = (
    "q: ... n d, k: ... n d, v: ... n e, w_sin: ... f d, w_cos: ... f d, "
    "k_memory?: ... l d, v_memory?: ... l e, u?: ... d, v_bias?: ... d"
)


@mechanism(
    inputs=INPUTS,
    forms=("dense", "shift", "factored"),
    time="n**2*d + n**2*f + n**2*e + n*l*d + n*l*f + n*l*e",
    memory="n*d + n*f + n*e",
    causal="option",
    normalised=True,
    values=("v", "v_memory"),
    positional=True,
    mask_shape="n l+n",
    paper="dai2019",
)
def transformer_xl_attention(
    q: Any,
    k: Any,
    v: Any,
    w_sin: Any,
    w_cos: Any,
    k_memory: Any | None = None,
    v_memory: Any | None = None,
    *,
    u: Any | None = None,
    v_bias: Any | None = None,
    mask: Any | None = None,
    causal: bool = False,
    scale: float | None = None,
    form: str = "factored",
) -> Any:
    """Attend to a memory of earlier segments and to the own segment, by content and by distance.

    Parameters
    ----------
    q, k : array, shape (..., n, d)
    v : array, shape (..., n, e)
        Queries, keys and values of the segment; batch axes broadcast.
    w_sin, w_cos : array, shape (..., f, d)
        The projection W_kR of sinusoids, in two: its rows for the sines of f waves, and for their cosines, from the
        shortest wave to the longest, ``r_t = sin(t f_z) @ w_sin + cos(t f_z) @ w_cos`` with f_z = 10000^(-z / f). Of
        zeros, or with f = 0, positions do not matter.
    k_memory : array, shape (..., l, d), optional
    v_memory : array, shape (..., l, e), optional
        Keys and values of what was remembered, the oldest first, ending just before the segment. Projected from hidden
        states of earlier segments, through which no gradient goes in training.
    u : array, shape (..., d), optional
        What every query asks of keys: term (c).
    v_bias : array, shape (..., d), optional
        What every query asks of positions, v in the paper: term (d).
    mask : boolean array broadcasting to (..., n, l + n), optional
        True where query i may attend to key j of [memory; segment].
    causal : bool
        Query i sees the memory and keys ``j <= i`` of its segment, as in the paper's language models.
    scale : float, optional
        Factor of all four terms; by default 1 / sqrt(d).
    form : {"factored", "shift", "dense"}
        Equal to rounding. "dense" is the definition and looks r up for every pair, O(n (l + n) d) memory; "shift" is
        the paper's, O(n (l + n)); "factored" takes the distance apart by the addition theorem and goes tile by tile.

    Returns
    -------
    o : array, shape (..., n, e), result dtype of the inputs

    Raises
    ------
    ValueError
        If shapes disagree, only one of `k_memory` and `v_memory` is given, or `form` is unknown.
    TypeError
        If inputs are not floating arrays of one library, or `mask` is not boolean.

    Notes
    -----
    The authors' code has the sines before the cosines in one matrix (``w_sin, w_cos = w[:f], w[f:]``), others alternate
    them (``w[0::2], w[1::2]``). Its option ``clamp_len``, which stops distances from growing, has no factored form and
    is not offered. Sinusoids are found in float64; float16 and bfloat16 inputs are computed in float32.

    References
    ----------
    Dai et al., "Transformer-XL: Attentive Language Models Beyond a Fixed-Length Context", 2019, section 3.
    arXiv:1901.02860
    """
    given = {"w_sin": w_sin, "w_cos": w_cos, "k_memory": k_memory, "v_memory": v_memory, "u": u, "v_bias": v_bias}
    xp, _ = check(INPUTS, q=q, k=k, v=v, **given)
    if (k_memory is None) != (v_memory is None):
        raise ValueError("k_memory and v_memory are two sides of one memory; give both or neither")
    segments, terms = [(k_memory, v_memory), (k, v)], Terms(w_sin, w_cos, u, v_bias)
    return attend_segments(q, segments, terms, mask=mask, causal=causal, scale=scale, form=form, xp=xp)
