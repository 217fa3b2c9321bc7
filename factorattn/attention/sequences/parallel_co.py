"""Parallel co-attention (Lu et al. 2016): an image and a question attend to each other at the same time.

    C = tanh(Q W_b V^T),   H_v = tanh(V W_v^T + C^T (Q W_q^T)),   H_q = tanh(Q W_q^T + C (V W_v^T))
    o_0 = sum_i softmax(H_v w_hv)_i v_i,   o_1 = sum_t softmax(H_q w_hq)_t q_t

C holds the affinity of every word with every region, and each side is scored with what the other one sends through it.
"""

from typing import Any

from factorattn.attention.sequences.pair import checked_masks, stacked
from factorattn.catalogue import mechanism, refuse
from factorattn.contract import check, choose, working_precision
from factorattn.primitives.pairs import masked_logits, softmax_weights, weigh
from factorattn.primitives.softmax_attend import absorb, batch_of, empty, finish
from factorattn.primitives.tiles import scan_tiles

__all__ = ["parallel_co_attention"]

INPUTS = "v: ... n c, q: ... m c, w_b: ... c c, w_v: ... a c, w_q: ... a c, w_hv: ... a, w_hq: ... a"
TILE = 128  # regions a tile


@mechanism(
    inputs=INPUTS,
    output="2 c",
    forms=("dense", "tiled"),
    time="n*m*c + n*m*a",
    memory="m*c + m*a",
    causal="never",
    normalised=True,
    values=(),
    refuses={
        "mask": "its two sequences have a mask each, v_mask and q_mask",
        "causal": "each of its two answers is a mean of a whole sequence",
    },
    paper="lu2016",
)
def parallel_co_attention(
    v: Any,
    q: Any,
    w_b: Any,
    w_v: Any,
    w_q: Any,
    w_hv: Any,
    w_hq: Any,
    *,
    v_mask: Any | None = None,
    q_mask: Any | None = None,
    mask: None = None,
    causal: bool = False,
    form: str = "tiled",
) -> Any:
    """Attend to two sequences, each guided by all of the other.

    Parameters
    ----------
    v : array, shape (..., n, c)
        One sequence: n regions of an image. Not values: the letters are the paper's.
    q : array, shape (..., m, c)
        The other one: m words of a question.
    w_b : array, shape (..., c, c)
        Affinity of word t and region i: ``tanh(q_t . (w_b v_i))``.
    w_v, w_q : array, shape (..., a, c)
        Hidden layers.
    w_hv, w_hq : array, shape (..., a)
        Scoring vectors.
    v_mask : boolean array broadcasting to (..., n), optional
    q_mask : boolean array broadcasting to (..., m), optional
        True where a region, or a word, exists. One that does not takes no part at all, in the affinities neither.
    mask, causal : None or False
        Refused, with the reason.
    form : {"tiled", "dense"}
        Equal to rounding. "dense" is the definition and holds all n m affinities; "tiled" those of a tile of regions.

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
    The authors' code hides words behind the end of a question in the last softmax only: their layers have biases, so
    that padding still sends something through C. float16 and bfloat16 inputs are computed in float32.

    References
    ----------
    Lu, Yang, Batra and Parikh, "Hierarchical Question-Image Co-Attention for Visual Question Answering", 2016, section
    "Co-Attention". arXiv:1606.00061
    """
    refuse(parallel_co_attention, mask=mask, causal=causal)
    xp, _ = check(INPUTS, v=v, q=q, w_b=w_b, w_v=w_v, w_q=w_q, w_hv=w_hv, w_hq=w_hq)
    attend = choose(FORMS, form=form)
    v_mask, q_mask = checked_masks(v, q, v_mask, q_mask, xp=xp)
    dtype, (v, q, w_b, w_v, w_q, w_hv, w_hq) = working_precision(v, q, w_b, w_v, w_q, w_hv, w_hq, xp=xp)
    if v_mask is not None:  # rows of zeros have no affinity, send nothing and weigh nothing
        v, v_mask = xp.where(v_mask[..., None], v, 0.0), v_mask[..., None, :]  # (..., n, c), (..., 1, n)
    if q_mask is not None:
        q, q_mask = xp.where(q_mask[..., None], q, 0.0), q_mask[..., None, :]  # (..., m, c), (..., 1, m)
    asked, sent = q @ w_b, q @ w_q.mT  # (..., m, c), (..., m, a)
    rows = attend(v, q, asked, sent, w_v, w_hv[..., None, :], w_hq[..., None, :], v_mask, q_mask, xp=xp)
    return xp.astype(stacked(*rows, xp=xp), dtype, copy=False)


def _pooled(w, hidden, x, mask, *, xp):
    """The mean of the rows of x (..., n, c), weighted by the scores w . hidden_i: (..., 1, c)."""
    weights, _ = softmax_weights(masked_logits(w, hidden, softcap=None, bias=None, seen=mask, xp=xp), xp=xp)
    return weigh(weights, x, guarded=False, xp=xp)


def _dense(v, q, asked, sent, w_v, w_hv, w_hq, v_mask, q_mask, *, xp):
    """The definition: all affinities at once."""
    c = xp.tanh(asked @ v.mT)  # (..., m, n)
    given = v @ w_v.mT  # (..., n, a)
    h_v, h_q = xp.tanh(given + c.mT @ sent), xp.tanh(sent + c @ given)  # (..., n, a), (..., m, a)
    return _pooled(w_hv, h_v, v, v_mask, xp=xp), _pooled(w_hq, h_q, q, q_mask, xp=xp)


def _tiled(v, q, asked, sent, w_v, w_hv, w_hq, v_mask, q_mask, *, xp):
    """Regions tile by tile: each tile is scored and weighed, and adds to what the words are sent."""

    def step(state, tile):
        received, image = state
        part = v[..., tile, :]
        c = xp.tanh(asked @ part.mT)  # (..., m, tile)
        given = part @ w_v.mT  # (..., tile, a)
        hidden = xp.tanh(given + c.mT @ sent)
        seen = v_mask if v_mask is None or v_mask.shape[-1] == 1 else v_mask[..., tile]
        image = absorb(image, w_hv, hidden, part, softcap=None, bias=None, seen=seen, xp=xp)
        return (received + c @ given, image), None

    image = empty(batch_of(v, asked, sent, w_v, w_hv, v_mask), 1, v, xp=xp)
    (received, image), _ = scan_tiles(step, (sent, image), 0, v.shape[-2], TILE, xp=xp)
    return finish(image, xp=xp)[0], _pooled(w_hq, xp.tanh(received), q, q_mask, xp=xp)


FORMS = {"dense": _dense, "tiled": _tiled}
