"""Structured self-attention (Lin et al. 2017): a sequence becomes r vectors, each a mean of it under other weights.

    A = softmax(W_s2 tanh(W_s1 H^T)),   M = A H,   A of shape r x n

The r rows of A are called hops; the penalty |A A^T - I|^2 keeps them from all looking at the same place.
"""

from typing import Any

from factorattn.attention.levels.engine import POOLS, checked_mask, keys_of
from factorattn.catalogue import mechanism, refuse
from factorattn.contract import check, check_batches, choose, working_precision
from factorattn.primitives.pairs import finite_top, masked_logits
from factorattn.scalars import flag

__all__ = ["redundancy_penalty", "structured_attention"]

INPUTS = "h: ... n c, w_s1: ... a c, w_s2: ... r a"


@mechanism(
    inputs=INPUTS,
    output="r c",
    forms=("dense", "tiled"),
    time="n*c*a + n*a*r + n*c*r",
    memory="r*c + a",
    causal="never",
    normalised=True,
    values=(),
    refuses={"causal": "each of its r answers is a mean of the whole sequence"},
    mask_shape="r n",
    paper="lin2017",
)
def structured_attention(
    h: Any,
    w_s1: Any,
    w_s2: Any,
    *,
    mask: Any | None = None,
    causal: bool = False,
    return_weights: bool = False,
    form: str = "tiled",
) -> Any:
    """Embed a sequence as a matrix of r rows, each attending to other parts of it.

    Parameters
    ----------
    h : array, shape (..., n, c)
        The sequence; in the paper the states of a bidirectional LSTM (H, with c = 2u).
    w_s1 : array, shape (..., a, c)
    w_s2 : array, shape (..., r, a)
        The two layers that score positions. With r = 1 the sequence becomes one vector.
    mask : boolean array broadcasting to (..., r, n), optional
        True where hop i may attend to position j; shape (..., 1, n) hides padding.
    causal : False
        Refused, with the reason.
    return_weights : bool
        Also return A, for `redundancy_penalty` or to look at.
    form : {"tiled", "dense"}
        Equal to rounding. "dense" is the definition and holds the hidden layer of all n positions; "tiled" that of one
        tile of them.

    Returns
    -------
    m : array, shape (..., r, c), result dtype of the inputs
        Zeros in rows that may attend to no position.
    weights : array, shape (..., r, n)
        Only if `return_weights`, in the same dtype.

    Raises
    ------
    ValueError
        If shapes disagree, or an option is unknown.
    TypeError
        If inputs are not floating arrays of one library, or `mask` is not boolean.

    Notes
    -----
    It is `softmax_attention(w_s2, tanh(h w_s1^T), h, scale=1)`: there is no factor 1 / sqrt(a). float16 and bfloat16
    inputs are computed in float32.

    References
    ----------
    Lin et al., "A Structured Self-Attentive Sentence Embedding", 2017, section "Model". arXiv:1703.03130
    """
    refuse(structured_attention, causal=causal)
    xp, size = check(INPUTS, h=h, w_s1=w_s1, w_s2=w_s2)
    pool = choose(POOLS, form=form)
    mask = checked_mask((size["r"], size["n"]), xp=xp, mask=mask)
    check_batches({name: x.shape[:-2] for name, x in (("h", h), ("w_s2", w_s2), ("mask", mask)) if x is not None})
    dtype, (h, w_s1, w_s2) = working_precision(h, w_s1, w_s2, xp=xp)
    m, lse = pool(h, w_s1, None, w_s2, mask, xp=xp)
    m = xp.astype(m, dtype, copy=False)
    if not flag(return_weights=return_weights):
        return m
    logits = masked_logits(w_s2, keys_of(h, w_s1, None, xp=xp), softcap=None, bias=None, seen=mask, xp=xp)
    return m, xp.astype(xp.exp(logits - finite_top(lse, xp=xp)), dtype, copy=False)  # (..., r, n)


def redundancy_penalty(weights: Any) -> Any:
    """The penalty ``|A A^T - I|_F^2`` on hops that attend to the same positions.

    Parameters
    ----------
    weights : array, shape (..., r, n)
        A, as `structured_attention(..., return_weights=True)` returns it.

    Returns
    -------
    penalty : array, shape (...)
        Zero where every hop attends to a single position of its own; in the result dtype of the input.

    References
    ----------
    Lin et al., "A Structured Self-Attentive Sentence Embedding", 2017, section "Penalization Term". arXiv:1703.03130
    """
    xp, size = check("weights: ... r n", weights=weights)
    dtype, (a,) = working_precision(weights, xp=xp)
    gap = a @ a.mT - xp.eye(size["r"], dtype=a.dtype, device=a.device)  # (..., r, r)
    return xp.astype(xp.sum(gap * gap, axis=(-2, -1)), dtype, copy=False)
