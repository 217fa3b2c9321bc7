"""Dilated window attention (Beltagy et al. 2020, section 3.1, "dilated sliding window"): a window with gaps.

    o_i = sum_t p_it v_{i + t s},   p_it = softmax over |t| <= w of scale q_i . k_{i + t s}

As wide a view as a window of w s, at the cost of one of w.
"""

from typing import Any

from factorattn.attention.exact.options import check_pairs, scale_of
from factorattn.attention.sparse.engine import attend_neighbours, of_keys
from factorattn.attention.sparse.gather import by_tiles, definition, positions
from factorattn.catalogue import mechanism
from factorattn.contract import check, choose, working_precision
from factorattn.pattern import at_least, dilated
from factorattn.scalars import flag

__all__ = ["dilated_attention"]

INPUTS = "q: ... n d, k: ... n d, v: ... n e, window = w"


@mechanism(
    inputs=INPUTS,
    forms=("dense", "blocked"),
    time="n*w*d + n*w*e",
    memory="n*e",
    causal="option",
    normalised=True,
    positional=True,
    mask_shape="n n",
    paper="beltagy2020",
)
def dilated_attention(
    q: Any,
    k: Any,
    v: Any,
    *,
    window: int = 128,
    dilation: int = 2,
    causal: bool = False,
    scale: float | None = None,
    mask: Any | None = None,
    form: str = "blocked",
) -> Any:
    """Attend to every `dilation`-th key around the query.

    Parameters
    ----------
    q, k : array, shape (..., n, d)
    v : array, shape (..., n, e)
        Queries, keys and values of one sequence; batch axes broadcast.
    window : int
        Number w of keys to each side: query i sees the keys i + t s for t from -w to w (to 0 if `causal`).
    dilation : int
        Step s between these keys; 1 is a plain window. (The paper lets heads of upper layers have different steps: call
        such heads apart.)
    causal : bool
        Query i sees no key after itself.
    scale : float, optional
        Factor of q . k; by default 1 / sqrt(d).
    mask : boolean array broadcasting to (..., n, n), optional
        True where query i may attend to key j, besides. One that tells keys only, (..., 1, n), costs nothing; for any
        other, pairs are gathered tile by tile, as in `pattern_attention`.
    form : {"blocked", "dense"}
        Equal to rounding. "dense" is the definition, O(n^2); "blocked" is window attention within each class of
        positions modulo `dilation`.

    Returns
    -------
    o : array, shape (..., n, e), result dtype of the inputs

    Raises
    ------
    ValueError
        If shapes disagree, or an option is none that there is.
    TypeError
        If inputs are not floating arrays of one library.

    Notes
    -----
    A query sees its own class modulo `dilation` only: with the same step in all layers, so does the whole stack.
    float16 and bfloat16 inputs are computed in float32.

    References
    ----------
    Beltagy, Peters and Cohan, "Longformer: The Long-Document Transformer", 2020, section 3.1. arXiv:2004.05150
    """
    xp, size = check(INPUTS, q=q, k=k, v=v, window=window)
    attend = choose(FORMS, form=form)
    dtype, (q, k, v) = working_precision(q, k, v, xp=xp)
    mask, _ = check_pairs(mask, None, q, k, v, xp=xp)
    options = {"window": size["w"], "dilation": at_least("dilation", dilation, 1), "causal": flag(causal=causal)}
    o, _ = attend(q, k, v, **options, scale=scale_of(scale, size["d"]), mask=mask, xp=xp)
    return xp.astype(o, dtype, copy=False)


def _dense(q, k, v, *, window, dilation, causal, scale, mask, xp):
    """The definition: every pair, and a mask."""
    i, j = positions(q.shape[-2], like=q, xp=xp)
    seen = (xp.abs(i - j) <= window * dilation) & ((i - j) % dilation == 0)  # (n, n)
    return definition(q, k, v, seen & (j <= i) if causal else seen, scale=scale, mask=mask, xp=xp)


def _blocked(q, k, v, *, window, dilation, causal, scale, mask, xp):
    options = {"window": window, "dilation": dilation, "causal": causal}
    if not of_keys(mask):
        return by_tiles(q, k, v, dilated(q.shape[-2], **options), scale=scale, mask=mask, xp=xp)
    return attend_neighbours(q, k, v, **options, scale=scale, mask=mask, xp=xp)


FORMS = {"dense": _dense, "blocked": _blocked}
