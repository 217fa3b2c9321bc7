"""Source2token self-attention (Shen et al. 2018, DiSAN): a sequence becomes one vector, each feature weighted apart.

    f_j = W sigma(W_1 x_j + b_1),   p_jc = softmax over j of f_jc,   o_c = sum_j p_jc x_jc

It is multi-dimensional attention with the part of the query left out.
"""

from typing import Any

from factorattn.attention.levels.engine import checked_mask
from factorattn.attention.levels.featurewise import ACTIVATIONS, absorb, attend_all, empty, finish
from factorattn.catalogue import mechanism, refuse
from factorattn.contract import check, check_batches, choose, working_precision
from factorattn.primitives.softmax_attend import batch_of
from factorattn.primitives.tiles import scan_tiles

__all__ = ["source2token_attention"]

INPUTS = "x: ... n c, w_1: ... a c, w: ... c a, b_1?: ... a"
TILE = 1024


@mechanism(
    inputs=INPUTS,
    output="c",
    forms=("dense", "tiled"),
    time="n*a*c",
    memory="a + c",
    causal="never",
    normalised=True,
    values=(),
    refuses={"causal": "its answer is one mean of the whole sequence"},
    mask_shape="1 n",
    paper="shen2018",
)
def source2token_attention(
    x: Any,
    w_1: Any,
    w: Any,
    b_1: Any | None = None,
    *,
    activation: str = "elu",
    mask: Any | None = None,
    causal: bool = False,
    form: str = "tiled",
) -> Any:
    """Compress a sequence into one vector, with weights for every feature.

    Parameters
    ----------
    x : array, shape (..., n, c)
    w_1, b_1 : array, shapes (..., a, c), (..., a)
        Hidden layer; its bias is optional.
    w : array, shape (..., c, a)
        Makes c logits from the hidden layer. (The paper writes W^T, has a = c, and adds a bias, which the softmax does
        not see.)
    activation : {"elu", "tanh"}
        "elu" is the paper's.
    mask : boolean array broadcasting to (..., 1, n), optional
        True where token j exists.
    causal : False
        Refused, with the reason.
    form : {"tiled", "dense"}
        Equal to rounding. "dense" is the definition and holds all n c logits; "tiled" those of one tile.

    Returns
    -------
    o : array, shape (..., c), result dtype of the inputs
        Zeros if there is no token.

    Raises
    ------
    ValueError
        If shapes disagree, or an option is unknown.
    TypeError
        If inputs are not floating arrays of one library, or `mask` is not boolean.

    Notes
    -----
    float16 and bfloat16 inputs are computed in float32.

    References
    ----------
    Shen et al., "DiSAN: Directional Self-Attention Network for RNN/CNN-Free Language Understanding", AAAI 2018,
    section "Two Types of Multi-dimensional Self-attention". arXiv:1709.04696
    """
    refuse(source2token_attention, causal=causal)
    xp, size = check(INPUTS, x=x, w_1=w_1, w=w, b_1=b_1)
    attend, activate = choose(FORMS, form=form), choose(ACTIVATIONS, activation=activation)
    mask = checked_mask((1, size["n"]), xp=xp, mask=mask)
    check_batches({name: y.shape[:-2] for name, y in (("x", x), ("mask", mask)) if y is not None})
    dtype, (x, w_1, w, *bias) = working_precision(*(y for y in (x, w_1, w, b_1) if y is not None), xp=xp)

    def logits_of(rows):
        hidden = x[..., rows, :] @ w_1.mT  # (..., rows, a)
        hidden = hidden + bias[0][..., None, :] if bias else hidden
        return (activate(hidden, 1.0, xp=xp) @ w.mT)[..., None, :, :]  # (..., 1, rows, c)

    batch = batch_of(x, w_1, w, mask, *(y[..., None] for y in bias))
    return xp.astype(attend(x, logits_of, mask, batch, xp=xp)[..., 0, :], dtype, copy=False)


def _dense(x, logits_of, mask, batch, *, xp):
    """The definition: all tokens at once."""
    return attend_all(logits_of(slice(0, x.shape[-2])), x, mask, xp=xp)


def _tiled(x, logits_of, mask, batch, *, xp):
    """The same tile by tile, with a running maximum and sum for every feature."""

    def step(state, rows):
        seen = mask if mask is None or mask.shape[-1] == 1 else mask[..., rows]
        return absorb(state, logits_of(rows), x[..., rows, :], seen, xp=xp), None

    state, _ = scan_tiles(step, empty((*batch, 1, x.shape[-1]), like=x, xp=xp), 0, x.shape[-2], TILE, xp=xp)
    return finish(state, xp=xp)


FORMS = {"dense": _dense, "tiled": _tiled}
