"""Window attention: softmax over the keys within a fixed distance (Beltagy et al. 2020, section 3.1, "sliding window").

    o_i = sum_{|i - j| <= w} p_ij v_j,   p_ij = softmax over those j of scale q_i . k_j

Both ends belong to the window: query i sees itself and w keys to each side.
"""

from typing import Any

from factorattn.attention.exact.options import check_pairs, scale_of
from factorattn.attention.exact.softmax import FORMS as EXACT
from factorattn.attention.sparse.engine import attend_neighbours, window_band
from factorattn.catalogue import mechanism
from factorattn.contract import check, choose, working_precision
from factorattn.scalars import flag

__all__ = ["window_attention"]

INPUTS = "q: ... n d, k: ... n d, v: ... n e, window = w"


@mechanism(
    inputs=INPUTS,
    forms=("dense", "blocked", "online"),
    time="n*w*d + n*w*e",
    memory="n*e",
    causal="option",
    normalised=True,
    positional=True,
    mask_shape="n n",
    paper="beltagy2020",
    approximates="softmax_attention",
    knob="w",
)
def window_attention(
    q: Any,
    k: Any,
    v: Any,
    *,
    window: int = 128,
    causal: bool = False,
    scale: float | None = None,
    mask: Any | None = None,
    form: str = "blocked",
) -> Any:
    """Attend to the keys at most `window` positions away.

    Parameters
    ----------
    q, k : array, shape (..., n, d)
    v : array, shape (..., n, e)
        Queries, keys and values of one sequence; batch axes broadcast. (For queries and keys of different lengths, use
        ``softmax_attention(window=...)``.)
    window : int
        Reach to each side, both ends included: query i sees the 2 w + 1 keys from i - w to i + w (w + 1 if `causal`).
        The paper's "window size" is 2 w; many libraries count the query's own key in w.
    causal : bool
        Query i sees no key after itself.
    scale : float, optional
        Factor of q . k; by default 1 / sqrt(d).
    mask : boolean array broadcasting to (..., n, n), optional
        True where query i may attend to key j, besides.
    form : {"blocked", "online", "dense"}
        Equal to rounding. "dense" is the definition, O(n^2); "blocked" forms products of w queries and 3 w keys;
        "online" goes tile by tile through the band.

    Returns
    -------
    o : array, shape (..., n, e), result dtype of the inputs

    Raises
    ------
    ValueError
        If shapes disagree, `window` is not a positive integer, or `form` is unknown.
    TypeError
        If inputs are not floating arrays of one library.

    Notes
    -----
    Cost grows with the number n w of pairs, for windows of 64 and more. float16 and bfloat16 inputs are computed in
    float32.

    References
    ----------
    Beltagy, Peters and Cohan, "Longformer: The Long-Document Transformer", 2020, section 3.1. arXiv:2004.05150
    """
    xp, size = check(INPUTS, q=q, k=k, v=v, window=window)
    attend = choose(FORMS, form=form)
    dtype, (q, k, v) = working_precision(q, k, v, xp=xp)
    mask, _ = check_pairs(mask, None, q, k, v, xp=xp)
    options = {"window": size["w"], "causal": flag(causal=causal), "scale": scale_of(scale, size["d"])}
    return xp.astype(attend(q, k, v, **options, mask=mask, xp=xp), dtype, copy=False)


def _banded(exact):
    def attend(q, k, v, *, window, causal, scale, mask, xp):
        band = window_band(window, causal)
        return exact(q, k, v, scale=scale, softcap=None, bias=None, mask=mask, band=band, xp=xp)[0]

    return attend


def _blocked(q, k, v, *, window, causal, scale, mask, xp):
    return attend_neighbours(q, k, v, window=window, causal=causal, scale=scale, mask=mask, xp=xp)[0]


FORMS = {"dense": _banded(EXACT["dense"]), "blocked": _blocked, "online": _banded(EXACT["online"])}
