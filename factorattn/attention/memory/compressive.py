"""Compressive Transformer (Rae et al. 2020): what falls out of the memory is compressed before it is forgotten.

    o_i = sum_j p_ij v_j,   p = softmax over the keys j of [compressed memory; memory; segment]

with the relative positions of `factorattn.attention.memory.transformer_xl`, counted along all three: a compressed
memory takes one place, whatever it was made of. How memories are compressed, and when, is in
`factorattn.attention.memory.remember`.
"""

from typing import Any

from factorattn.attention.memory.relative import Terms, attend_segments
from factorattn.catalogue import mechanism
from factorattn.contract import check

__all__ = ["compressive_attention"]

INPUTS = (
    "q: ... n d, k: ... n d, v: ... n e, w_sin: ... f d, w_cos: ... f d, k_memory?: ... l d, v_memory?: ... l e, "
    "k_compressed?: ... p d, v_compressed?: ... p e, u?: ... d, v_bias?: ... d"
)


@mechanism(
    inputs=INPUTS,
    forms=("dense", "shift", "factored"),
    time="n**2*d + n**2*f + n**2*e + n*l*d + n*l*f + n*l*e + n*p*d + n*p*f + n*p*e",
    memory="n*d + n*f + n*e",
    causal="option",
    normalised=True,
    values=("v", "v_memory", "v_compressed"),
    positional=True,
    mask_shape="n p+l+n",
    paper="rae2020",
)
def compressive_attention(
    q: Any,
    k: Any,
    v: Any,
    w_sin: Any,
    w_cos: Any,
    k_memory: Any | None = None,
    v_memory: Any | None = None,
    k_compressed: Any | None = None,
    v_compressed: Any | None = None,
    *,
    u: Any | None = None,
    v_bias: Any | None = None,
    mask: Any | None = None,
    causal: bool = False,
    scale: float | None = None,
    form: str = "factored",
) -> Any:
    """Attend to a compressed memory, to a memory and to the own segment, by content and by distance.

    Parameters
    ----------
    q, k : array, shape (..., n, d)
    v : array, shape (..., n, e)
        Queries, keys and values of the segment; batch axes broadcast.
    w_sin, w_cos : array, shape (..., f, d)
        The projection of sinusoids, in two: see `transformer_xl_attention`. Of zeros, positions do not matter.
    k_memory : array, shape (..., l, d), optional
    v_memory : array, shape (..., l, e), optional
        Keys and values of the memory, the oldest first.
    k_compressed : array, shape (..., p, d), optional
    v_compressed : array, shape (..., p, e), optional
        Keys and values of the compressed memory, older still. Memories hold hidden states, of which keys and values are
        projections: see `factorattn.attention.memory.remember`.
    u, v_bias : array, shape (..., d), optional
        What every query asks of keys, and of positions.
    mask : boolean array broadcasting to (..., n, p + l + n), optional
        True where query i may attend to key j of [compressed memory; memory; segment].
    causal : bool
        Query i sees both memories and keys ``j <= i`` of its segment, as in the paper's language models.
    scale : float, optional
        Factor of the logits; by default 1 / sqrt(d).
    form : {"factored", "shift", "dense"}
        Equal to rounding. "dense" is the definition and looks positions up for every pair; "shift" forms all logits;
        "factored" goes tile by tile, O(n) memory.

    Returns
    -------
    o : array, shape (..., n, e), result dtype of the inputs

    Raises
    ------
    ValueError
        If shapes disagree, a memory has keys and no values or values and no keys, or `form` is unknown.
    TypeError
        If inputs are not floating arrays of one library, or `mask` is not boolean.

    Notes
    -----
    float16 and bfloat16 inputs are computed in float32.

    References
    ----------
    Rae et al., "Compressive Transformers for Long-Range Sequence Modelling", 2020. arXiv:1911.05507
    """
    xp, _ = check(
        INPUTS,
        q=q,
        k=k,
        v=v,
        w_sin=w_sin,
        w_cos=w_cos,
        k_memory=k_memory,
        v_memory=v_memory,
        k_compressed=k_compressed,
        v_compressed=v_compressed,
        u=u,
        v_bias=v_bias,
    )
    for name, keys, values in (("memory", k_memory, v_memory), ("compressed", k_compressed, v_compressed)):
        if (keys is None) != (values is None):
            raise ValueError(f"k_{name} and v_{name} are two sides of one memory; give both or neither")
    segments = [(k_compressed, v_compressed), (k_memory, v_memory), (k, v)]
    terms = Terms(w_sin, w_cos, u, v_bias)
    return attend_segments(q, segments, terms, mask=mask, causal=causal, scale=scale, form=form, xp=xp)
