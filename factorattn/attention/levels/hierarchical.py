"""Hierarchical attention (Yang et al. 2016): words make sentences, sentences make a document.

    u_it = tanh(W_w x_it + b_w),   p_it = softmax over t of u_it . u_w,   s_i = sum_t p_it x_it     (words t)
    u_i  = tanh(W_s h_i + b_s),    p_i  = softmax over i of u_i . u_s,    v = sum_i p_i h_i         (sentences i)

Between the levels stands h = encode(s), a bidirectional GRU in the paper and the identity where it is left out.
"""

from collections.abc import Callable
from typing import Any

from factorattn.attention.levels.engine import POOLS, checked_mask
from factorattn.catalogue import mechanism, refuse
from factorattn.contract import check, check_batches, choose, working_precision

__all__ = ["hierarchical_attention"]

INPUTS = "x: ... s n c, w_w: ... a c, u_w: ... a, w_s: ... f c, u_s: ... f, b_w?: ... a, b_s?: ... f"
ENCODED = "h: ... s e, w_s: ... f e, u_s: ... f, b_s?: ... f"


@mechanism(
    inputs=INPUTS,
    output="c",
    forms=("dense", "tiled"),
    time="s*n*c*a",
    memory="s*a + s*c",
    causal="never",
    normalised=True,
    values=(),
    refuses={"causal": "its answer is one mean of the whole document"},
    mask_shape="s n",
    paper="yang2016",
)
def hierarchical_attention(
    x: Any,
    w_w: Any,
    u_w: Any,
    w_s: Any,
    u_s: Any,
    b_w: Any | None = None,
    b_s: Any | None = None,
    *,
    encode: Callable[[Any], Any] | None = None,
    mask: Any | None = None,
    causal: bool = False,
    form: str = "tiled",
) -> Any:
    """Attend to the words of each sentence, then to the sentences.

    Parameters
    ----------
    x : array, shape (..., s, n, c)
        A document of s sentences of n words; in the paper the states of a bidirectional GRU. Shorter sentences are
        filled up, and told by `mask`.
    w_w, u_w, b_w : array, shapes (..., a, c), (..., a), (..., a)
        Layer, context vector and (optionally) bias of the words.
    w_s, u_s, b_s : array, shapes (..., f, c), (..., f), (..., f)
        The same of the sentences.
    encode : callable, optional
        Takes the sentence vectors (..., s, c), in the precision of the computation, and returns as many rows
        (..., s, e) in the same dtype. The paper has a bidirectional GRU here; by default the vectors stay as they are.
        If e differs from c, `w_s` is (..., f, e).
    mask : boolean array broadcasting to (..., s, n), optional
        True where word t of sentence i exists. A sentence without words does not exist either.
    causal : False
        Refused, with the reason.
    form : {"tiled", "dense"}
        Equal to rounding. "dense" is the definition and holds the hidden layer of all words; "tiled" that of a tile of
        words of each sentence.

    Returns
    -------
    v : array, shape (..., c), or (..., e) after `encode`; result dtype of the inputs
        Zeros if there is no word.

    Raises
    ------
    ValueError
        If shapes disagree, or an option is unknown.
    TypeError
        If inputs are not floating arrays of one library, or `mask` is not boolean.

    Notes
    -----
    Context vectors are learned: they are the queries. Implementations that leave out `mask` let the padding of short
    sentences take part in the softmax. float16 and bfloat16 inputs are computed in float32.

    References
    ----------
    Yang et al., "Hierarchical Attention Networks for Document Classification", NAACL 2016, section "Hierarchical
    Attention". https://aclanthology.org/N16-1174
    """
    refuse(hierarchical_attention, causal=causal)
    given = {"w_s": w_s, "u_s": u_s, "b_s": b_s}
    if encode is None:
        xp, size = check(INPUTS, x=x, w_w=w_w, u_w=u_w, b_w=b_w, **given)
    else:  # the second level may have a width of its own: held against what encode returns
        xp, size = check("x: ... s n c, w_w: ... a c, u_w: ... a, b_w?: ... a", x=x, w_w=w_w, u_w=u_w, b_w=b_w)
    pool = choose(POOLS, form=form)
    mask = checked_mask((size["s"], size["n"]), xp=xp, mask=mask)
    if mask is not None:
        check_batches({"x": x.shape[:-3], "mask": mask.shape[:-2]})
    b_w, b_s = (
        xp.zeros(u.shape[-1:], dtype=u.dtype, device=u.device) if b is None else b for u, b in ((u_w, b_w), (u_s, b_s))
    )
    dtype, (x, w_w, u_w, w_s, u_s, b_w, b_s) = working_precision(x, w_w, u_w, w_s, u_s, b_w, b_s, xp=xp)

    words = None if mask is None else mask[..., None, :]  # (..., s, 1, n)
    sentences, _ = pool(x, w_w[..., None, :, :], b_w[..., None, :], u_w[..., None, None, :], words, xp=xp)
    h = sentences[..., 0, :]  # (..., s, c)
    if encode is not None:
        h = encode(h)
        check(ENCODED, h=h, w_s=w_s, u_s=u_s, b_s=b_s)
        if h.shape[:-1] != sentences.shape[:-2]:
            raise ValueError(f"encode must return shape {(*sentences.shape[:-2], 'e')}, got {tuple(h.shape)}")
    there = None if mask is None else xp.any(mask, axis=-1)[..., None, :]  # (..., 1, s)
    v, _ = pool(h, w_s, b_s, u_s[..., None, :], there, xp=xp)
    return xp.astype(v[..., 0, :], dtype, copy=False)
