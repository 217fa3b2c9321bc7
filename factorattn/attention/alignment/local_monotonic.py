"""Local attention, monotonic alignment (Luong, Pham and Manning 2015, "local-m"): word i looks around word i.

    p_i = i,   p_ij = softmax over |j - p_i| <= w of a(q_i, k_j),   o_i = sum_j p_ij v_j

It supposes that source and target say the same in the same order.
"""

from collections.abc import Callable
from typing import Any

from factorattn.attention.alignment.engine import contract_of, score_of
from factorattn.attention.alignment.near import NEAR
from factorattn.attention.exact.options import band_of, check_pairs
from factorattn.catalogue import mechanism
from factorattn.contract import check, choose, working_precision

__all__ = ["local_monotonic_attention"]

INPUTS = "q: ... n d, k: ... m d, v: ... m e, window = w"


@mechanism(
    inputs=INPUTS,
    forms=("dense", "gathered"),
    time="n*w*d + n*w*e",
    memory="n*e",
    causal="option",
    normalised=True,
    positional=True,
    paper="luong2015",
)
def local_monotonic_attention(
    q: Any,
    k: Any,
    v: Any,
    *,
    window: int = 10,
    score: str | Callable = "dot",
    mask: Any | None = None,
    causal: bool = False,
    form: str = "gathered",
) -> Any:
    """Attend to the keys around the query's own position.

    Parameters
    ----------
    q : array, shape (..., n, d)
        Queries (target); batch axes broadcast.
    k : array, shape (..., m, d)
        Keys (source). They may have another size than queries if the score allows it.
    v : array, shape (..., m, e)
        Values.
    window : int
        The paper's D: query i sees the 2 w + 1 keys from i - w to i + w. What lies outside the source is left out.
    score : str or callable
        A name in `factorattn.score.SCORES` of a score without learned arrays, or a function of queries and keys. In
        form "gathered" it is called with queries (n, ..., 1, d) and keys (n, ..., w, d), for some of the n queries:
        learned arrays that it brings may have batch axes, but none of queries or keys, for which there is "dense".
    mask : boolean array broadcasting to (..., n, m), optional
        True where query i may attend to key j.
    causal : bool
        Query i sees keys ``j <= i + m - n`` only.
    form : {"gathered", "dense"}
        Equal to rounding. "dense" is the definition, O(n m).

    Returns
    -------
    o : array, shape (..., n, e), result dtype of the inputs
        Zeros in rows that may attend to no key: those of queries beyond the end of the source by more than w, too.

    Raises
    ------
    ValueError
        If shapes disagree, `window` is not a positive integer, or an option is unknown.
    TypeError
        If inputs are not floating arrays of one library, or `mask` is not boolean.

    Notes
    -----
    The dot product is not scaled, as in the paper. Its authors' code lets positions end at the last source word; the
    paper does not. float16 and bfloat16 inputs are computed in float32.

    References
    ----------
    Luong, Pham and Manning, "Effective Approaches to Attention-based Neural Machine Translation", 2015, section 3.2.
    arXiv:1508.04025
    """
    score = score_of(score)
    xp, size = check(contract_of(score, INPUTS), q=q, k=k, v=v, window=window)
    attend = choose(NEAR, form=form)
    dtype, (q, k, v) = working_precision(q, k, v, xp=xp)
    mask, _ = check_pairs(mask, None, q, k, v, xp=xp)
    band = band_of(causal, None, None, size["n"], size["m"])
    p = xp.arange(size["n"], dtype=q.dtype, device=q.device)  # (n,)
    o = attend(q, k, v, p, window=size["w"], sigma=None, score=score, mask=mask, band=band, xp=xp)
    return xp.astype(o, dtype, copy=False)
