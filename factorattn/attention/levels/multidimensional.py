"""Multi-dimensional self-attention (Shen et al. 2018, DiSAN): a weight for every pair of tokens and every feature.

    f_ij = W sigma(W_1 x_j + W_2 x_i + b_1),   p_ijc = softmax over j of f_ijc,   o_ic = sum_j p_ijc x_jc

Their directional block takes W = I and sigma(z) = ceiling tanh(z / ceiling), and lets token i see earlier tokens only,
later ones only, or all but itself. (Their i is the token attended to; here j is.)
"""

from typing import Any

from factorattn.attention.levels.engine import checked_mask
from factorattn.attention.levels.featurewise import ACTIVATIONS, absorb, attend_all, empty, finish
from factorattn.catalogue import mechanism
from factorattn.contract import check, check_batches, choose, working_precision
from factorattn.primitives.softmax_attend import batch_of, seen_pairs, tile_of, visible
from factorattn.primitives.tiles import scan_tiles
from factorattn.scalars import flag, positive

__all__ = ["multidimensional_attention"]

INPUTS = "x: ... n c, w_1: ... c c, w_2: ... c c, b_1?: ... c, w?: ... c c"
DIRECTIONS = {"all": (None, None), "forward": (None, -1), "backward": (1, None), "others": (None, None)}
ROWS = COLS = 64  # a tile holds 64 x 64 x c logits


@mechanism(
    inputs=INPUTS,
    output="n c",
    forms=("dense", "tiled"),
    time="n**2*c**2",
    memory="n*c",
    causal="option",
    normalised=True,
    values=(),
    mask_shape="n n",
    paper="shen2018",
)
def multidimensional_attention(
    x: Any,
    w_1: Any,
    w_2: Any,
    b_1: Any | None = None,
    w: Any | None = None,
    *,
    activation: str = "tanh",
    ceiling: float | None = None,
    direction: str = "all",
    mask: Any | None = None,
    causal: bool = False,
    form: str = "tiled",
) -> Any:
    """Attend to tokens of the same sequence with separate weights for every feature ("token2token").

    Parameters
    ----------
    x : array, shape (..., n, c)
        The sequence: queries, keys and values (h of the paper).
    w_1, w_2 : array, shape (..., c, c)
        Layers of the token attended to and of the token that attends.
    b_1 : array, shape (..., c), optional
    w : array, shape (..., c, c), optional
        Makes c logits from the hidden layer. By default the identity, as in the paper's directional block, and then a
        pair costs c operations instead of c^2. (The paper writes W^T, and a bias after it; as it adds the same to the
        logits of all keys, the softmax does not see it.)
    activation : {"tanh", "elu"}
        "tanh" is ``ceiling * tanh(z / ceiling)``.
    ceiling : float, optional, only with "tanh"
        By default 5, as in the paper.
    direction : {"all", "forward", "backward", "others"}
        Tokens that token i sees: all; those before it; those after it; all but itself.
    mask : boolean array broadcasting to (..., n, n), optional
        True where token i may attend to token j.
    causal : bool
        Token i sees itself and earlier ones, as far as `direction` lets it.
    form : {"tiled", "dense"}
        Equal to rounding. "dense" is the definition and holds n^2 c logits; "tiled" holds a tile of them.

    Returns
    -------
    o : array, shape (..., n, c), result dtype of the inputs
        Zeros in rows that may attend to no token: the first one with "forward", the last one with "backward".

    Raises
    ------
    ValueError
        If shapes disagree, `ceiling` is not positive or has no use, or an option is unknown.
    TypeError
        If inputs are not floating arrays of one library, or `mask` is not boolean.

    Notes
    -----
    The directional block of the paper has a dense layer before and a fusion gate after this; both work token by token.
    What reduces a sequence to one vector is `source2token_attention`. float16 and bfloat16 inputs are computed in
    float32.

    References
    ----------
    Shen et al., "DiSAN: Directional Self-Attention Network for RNN/CNN-Free Language Understanding", AAAI 2018,
    sections "Two Types of Multi-dimensional Self-attention" and "Directional Self-Attention". arXiv:1709.04696
    """
    xp, size = check(INPUTS, x=x, w_1=w_1, w_2=w_2, b_1=b_1, w=w)
    attend, activate = choose(FORMS, form=form), choose(ACTIVATIONS, activation=activation)
    lo, hi = choose(DIRECTIONS, direction=direction)
    if ceiling is not None and activation != "tanh":
        raise ValueError(f"ceiling belongs to activation='tanh', and activation is {activation!r}; leave it out")
    ceiling = 5.0 if ceiling is None else positive(ceiling=ceiling)
    band = (lo, 0 if flag(causal=causal) and hi is None else hi)
    mask = checked_mask((size["n"], size["n"]), xp=xp, mask=mask)
    check_batches({name: y.shape[:-2] for name, y in (("x", x), ("mask", mask)) if y is not None})
    dtype, (x, w_1, w_2, *extra) = working_precision(*(y for y in (x, w_1, w_2, b_1, w) if y is not None), xp=xp)
    if w is not None:
        w = extra.pop()
    keys, queries = x @ w_1.mT, x @ w_2.mT  # (..., n, c)
    queries = queries + extra[0][..., None, :] if extra else queries

    def logits_of(rows, cols):
        hidden = queries[..., rows, None, :] + keys[..., None, cols, :]  # (..., rows, cols, c)
        hidden = activate(hidden, ceiling, xp=xp)
        return hidden if w is None else hidden @ w.mT[..., None, :, :]

    def seen_of(rows, cols):
        seen = tile_of(mask, rows, cols)
        seen = seen_pairs(seen, rows, cols, band, xp=xp, device=x.device)
        if direction != "others":
            return seen
        i, j = (xp.arange(part.start, part.stop, dtype=xp.int64, device=x.device) for part in (rows, cols))
        other = i[:, None] != j[None, :]
        return other if seen is None else other & seen

    batch = batch_of(queries, keys, w, mask)
    return xp.astype(attend(x, logits_of, seen_of, band, batch, xp=xp), dtype, copy=False)


def _dense(x, logits_of, seen_of, band, batch, *, xp):
    """The definition: all pairs at once."""
    every = slice(0, x.shape[-2])
    return attend_all(logits_of(every, every), x, seen_of(every, every), xp=xp)


def _tiled(x, logits_of, seen_of, band, batch, *, xp):
    """The same tile by tile, with a running maximum and sum for every feature."""
    n, c = x.shape[-2:]

    def attend_rows(_, rows):
        def absorb_cols(state, cols):
            return absorb(state, logits_of(rows, cols), x[..., cols, :], seen_of(rows, cols), xp=xp), None

        state = empty((*batch, rows.stop - rows.start, c), like=x, xp=xp)
        for first, last, _ in visible(rows.start, rows.stop, n, band):
            state, _ = scan_tiles(absorb_cols, state, int(first), int(last), COLS, xp=xp)
        return None, finish(state, xp=xp)

    _, out = scan_tiles(attend_rows, None, 0, n, ROWS, xp=xp, alike=band == (None, None))
    return xp.zeros((*batch, 0, c), dtype=x.dtype, device=x.device) if out is None else out


FORMS = {"dense": _dense, "tiled": _tiled}
