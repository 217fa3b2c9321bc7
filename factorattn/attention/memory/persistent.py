"""Persistent memory (Sukhbaatar et al. 2019): learned keys and values beside those of the context, in one softmax.

    o_i = sum_j p_ij v_j + sum_t p_it v_t,   p_i = softmax of scale q_i . k over m keys j of the context and l learned t

The learned ones are the same for every input. They take the place of the feed-forward sublayer, which is what they are
where there is no context: l hidden units whose activations sum to one.
"""

import math
from typing import Any

import numpy as np

from factorattn.attention.exact.options import band_of, check_pairs, scale_of
from factorattn.attention.exact.softmax import FORMS as EXACT
from factorattn.attention.sparse.engine import merge
from factorattn.catalogue import mechanism
from factorattn.contract import check, choose, working_precision
from factorattn.primitives.pairs import band_seen
from factorattn.primitives.softmax_attend import softmax_attend
from factorattn.scalars import flag

__all__ = ["persistent_attention"]

INPUTS = "q: ... n d, k: ... m d, v: ... m e, k_persistent?: ... l d, v_persistent?: ... l e"


@mechanism(
    inputs=INPUTS,
    forms=("dense", "merged"),
    time="n*m*d + n*m*e + n*l*d + n*l*e",
    memory="n*e",
    causal="option",
    normalised=True,
    values=("v", "v_persistent"),
    paper="sukhbaatar2019persistent",
)
def persistent_attention(
    q: Any,
    k: Any,
    v: Any,
    k_persistent: Any | None = None,
    v_persistent: Any | None = None,
    *,
    reparametrised: bool = False,
    mask: Any | None = None,
    causal: bool = False,
    scale: float | None = None,
    form: str = "merged",
) -> Any:
    """Attend to the context and to learned vectors that are always there.

    Parameters
    ----------
    q : array, shape (..., n, d)
    k : array, shape (..., m, d)
    v : array, shape (..., m, e)
        Queries, keys and values; batch axes broadcast. With m = 0 the learned vectors are all there is: a feed-forward
        sublayer in the form of attention.
    k_persistent : array, shape (..., l, d), optional
    v_persistent : array, shape (..., l, e), optional
        The learned vectors. Each head has its own. Without them this is softmax attention.
    reparametrised : bool
        Whether they are the paper's parameters k' and v', of which the keys are sqrt(d) k' and the values sqrt(l) v':
        drawn with variances 1 / d and 1 / l, as matrices are, they then begin as large as those of the context.
    mask : boolean array broadcasting to (..., n, m), optional
        True where query i may attend to key j of the context. The learned vectors are never hidden.
    causal : bool
        Of the context, query i sees keys ``j <= i + m - n`` only.
    scale : float, optional
        Factor of q . k; by default 1 / sqrt(d).
    form : {"merged", "dense"}
        Equal to rounding. "dense" is the definition, O(n (m + l)) memory; "merged" attends to both tile by tile and
        merges by their log-sum-exps.

    Returns
    -------
    o : array, shape (..., n, e), result dtype of the inputs

    Raises
    ------
    ValueError
        If shapes disagree, only one of `k_persistent` and `v_persistent` is given, or `form` is unknown.
    TypeError
        If inputs are not floating arrays of one library, or `mask` is not boolean.

    Notes
    -----
    A query to which the mask leaves no key of the context still attends to the learned vectors. Relative positions are
    for the context alone, in the paper, too. float16 and bfloat16 inputs are computed in float32.

    References
    ----------
    Sukhbaatar et al., "Augmenting Self-attention with Persistent Memory", 2019. arXiv:1907.01470
    """
    xp, size = check(INPUTS, q=q, k=k, v=v, k_persistent=k_persistent, v_persistent=v_persistent)
    attend = choose(FORMS, form=form)
    if (k_persistent is None) != (v_persistent is None):
        raise ValueError("k_persistent and v_persistent are two sides of one memory; give both or neither")
    given = [x for x in (q, k, v, k_persistent, v_persistent) if x is not None]
    dtype, (q, k, v, *learned) = working_precision(*given, xp=xp)
    mask, _ = check_pairs(mask, None, q, k, v, xp=xp)
    band, scale = band_of(causal, None, None, size["n"], size["m"]), scale_of(scale, size["d"])
    if flag(reparametrised=reparametrised) and learned:
        k_learned, v_learned = learned
        learned = [k_learned * math.sqrt(size["d"]), v_learned * math.sqrt(size["l"])]
    o = attend(q, k, v, learned, mask=mask, band=band, scale=scale, xp=xp)
    return xp.astype(o, dtype, copy=False)


def _dense(q, k, v, learned, *, mask, band, scale, xp):
    """The definition: one softmax over all m + l keys."""
    n, m = q.shape[-2], k.shape[-2]
    seen = mask
    if band != (None, None):
        past = band_seen(slice(0, n), slice(0, m), band, device=q.device, xp=xp)  # (n, m)
        seen = past if mask is None else past & mask
    if learned:
        l = learned[0].shape[-2]
        k, v = (_beside(x, y, axis=-2, xp=xp) for x, y in zip((k, v), learned, strict=True))  # (..., m + l, d or e)
        if seen is not None:
            seen = xp.broadcast_to(seen, (*seen.shape[:-1], m))
            seen = _beside(seen, xp.ones((1, l), dtype=xp.bool, device=q.device), axis=-1, xp=xp)
    return EXACT["dense"](q, k, v, scale=scale, softcap=None, bias=None, mask=seen, band=(None, None), xp=xp)[0]


def _merged(q, k, v, learned, *, mask, band, scale, xp):
    """The context and the learned vectors apart, in O(n) memory."""
    context = softmax_attend(q, k, v, scale=scale, mask=mask, band=band)
    if not learned:
        return context[0]
    return merge([context, softmax_attend(q, *learned, scale=scale)], xp=xp)


def _beside(x, y, *, axis, xp):
    """Join two arrays along one of their last two axes, whatever batch axes they have."""
    rows = np.broadcast_shapes(x.shape[:axis], y.shape[:axis])
    shapes = ((*rows, *part.shape[axis:]) for part in (x, y))
    return xp.concat([xp.broadcast_to(part, shape) for part, shape in zip((x, y), shapes, strict=True)], axis=axis)


FORMS = {"dense": _dense, "merged": _merged}
