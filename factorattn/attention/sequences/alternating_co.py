"""Alternating co-attention (Lu et al. 2016): question, then image in its light, then the question in the image's.

    A(X; g):   H = tanh(X W_x^T + W_g g),   p = softmax(H w_h),   A = sum_i p_i x_i
    s = A(Q; 0),   o_0 = A(V; s),   o_1 = A(Q; o_0)

Each step reads one sequence, guided by the single vector that the step before has left.
"""

from typing import Any

from factorattn.attention.levels.engine import POOLS
from factorattn.attention.sequences.pair import checked_masks, stacked
from factorattn.catalogue import mechanism, refuse
from factorattn.contract import check, choose, working_precision

__all__ = ["alternating_co_attention"]

INPUTS = (
    "v: ... n c, q: ... m c, w_v: ... a c, w_gv: ... a c, w_hv: ... a, "
    "w_q: ... a c, w_gq: ... a c, w_hq: ... a, w_s?: ... a c, w_hs?: ... a"
)


@mechanism(
    inputs=INPUTS,
    output="2 c",
    forms=("dense", "tiled"),
    time="n*a*c + m*a*c",
    memory="a + c",
    causal="never",
    normalised=True,
    values=(),
    refuses={
        "mask": "its two sequences have a mask each, v_mask and q_mask",
        "causal": "each of its two answers is a mean of a whole sequence",
    },
    paper="lu2016",
)
def alternating_co_attention(
    v: Any,
    q: Any,
    w_v: Any,
    w_gv: Any,
    w_hv: Any,
    w_q: Any,
    w_gq: Any,
    w_hq: Any,
    w_s: Any | None = None,
    w_hs: Any | None = None,
    *,
    v_mask: Any | None = None,
    q_mask: Any | None = None,
    mask: None = None,
    causal: bool = False,
    form: str = "tiled",
) -> Any:
    """Attend to two sequences in turn, each guided by a summary of the other.

    Parameters
    ----------
    v : array, shape (..., n, c)
        One sequence: n regions of an image. Not values: the letters are the paper's.
    q : array, shape (..., m, c)
        The other one: m words of a question. It is read first, and again at the end.
    w_v, w_gv : array, shape (..., a, c)
    w_hv : array, shape (..., a)
        Layers of the second step, on the image and on its guide, and the scoring vector (W_x, W_g, w_hx for X = V).
    w_q, w_gq : array, shape (..., a, c)
    w_hq : array, shape (..., a)
        The same of the last step (X = Q).
    w_s : array, shape (..., a, c), optional
    w_hs : array, shape (..., a), optional
        Layer and scoring vector of the first step, which has no guide; by default those of the last step, `w_q` and
        `w_hq`. (The paper's letters are the same for both; the authors' code has layers of its own.)
    v_mask : boolean array broadcasting to (..., n), optional
    q_mask : boolean array broadcasting to (..., m), optional
        True where a region, or a word, exists.
    mask, causal : None or False
        Refused, with the reason.
    form : {"tiled", "dense"}
        Equal to rounding. "dense" is the definition and holds the hidden layers; "tiled" those of one tile.

    Returns
    -------
    o : array, shape (..., 2, c), result dtype of the inputs
        Row 0 is the attended v, row 1 the attended q. A sequence of nothing gives zeros.

    Raises
    ------
    ValueError
        If shapes disagree, or an option is unknown.
    TypeError
        If inputs are not floating arrays of one library, or a mask is not boolean.

    Notes
    -----
    Cost is linear in both lengths: no word meets a region. float16 and bfloat16 inputs are computed in float32.

    References
    ----------
    Lu, Yang, Batra and Parikh, "Hierarchical Question-Image Co-Attention for Visual Question Answering", 2016, section
    "Co-Attention". arXiv:1606.00061
    """
    refuse(alternating_co_attention, mask=mask, causal=causal)
    layers = {"w_v": w_v, "w_gv": w_gv, "w_hv": w_hv, "w_q": w_q, "w_gq": w_gq, "w_hq": w_hq, "w_s": w_s, "w_hs": w_hs}
    xp, _ = check(INPUTS, v=v, q=q, **layers)
    pool = choose(POOLS, form=form)
    v_mask, q_mask = checked_masks(v, q, v_mask, q_mask, xp=xp)
    first = (w_q if w_s is None else w_s, w_hq if w_hs is None else w_hs)
    dtype, (v, q, w_v, w_gv, w_hv, w_q, w_gq, w_hq, w_s, w_hs) = working_precision(
        v, q, w_v, w_gv, w_hv, w_q, w_gq, w_hq, *first, xp=xp
    )

    def attended(x, w_x, guide, w_h, seen):
        seen = None if seen is None else seen[..., None, :]  # (..., 1, n)
        return pool(x, w_x, guide, w_h[..., None, :], seen, xp=xp)[0]  # (..., 1, c)

    s = attended(q, w_s, None, w_hs, q_mask)
    image = attended(v, w_v, (s @ w_gv.mT)[..., 0, :], w_hv, v_mask)
    question = attended(q, w_q, (image @ w_gq.mT)[..., 0, :], w_hq, q_mask)
    return xp.astype(stacked(image, question, xp=xp), dtype, copy=False)


# "tiled" forgets the hidden layer of one tile before it makes the next one.
FORMS = POOLS
