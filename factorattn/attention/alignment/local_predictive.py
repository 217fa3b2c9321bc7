"""Local attention, predictive alignment (Luong, Pham and Manning 2015, "local-p"): the query says where to look.

    p_i = S sigmoid(v_p^T tanh(W_p q_i))
    o_i = sum_{|j - p_i| <= w} p_ij exp(-(j - p_i)^2 / (2 sigma^2)) v_j,   p_ij = softmax over the window of a(q_i, k_j)

S is the length of the source, sigma = w / 2. The Gaussian lets gradients reach p_i; weights then sum to less than one.
"""

from collections.abc import Callable
from typing import Any

from factorattn.attention.alignment.engine import contract_of, score_of
from factorattn.attention.alignment.near import NEAR
from factorattn.attention.exact.options import band_of, check_pairs
from factorattn.catalogue import mechanism
from factorattn.contract import check, choose, working_precision
from factorattn.scalars import positive
from factorattn.score.engine import activation_of

__all__ = ["local_predictive_attention"]

INPUTS = "q: ... n d, k: ... m d, v: ... m e, w_p: ... a d, v_p: ... a, lengths?: ... n, window = w"


@mechanism(
    inputs=INPUTS,
    forms=("dense", "gathered"),
    time="n*w*d + n*w*e + n*d*a",
    memory="n*a + n*e",
    causal="option",
    normalised=False,
    positional=True,
    paper="luong2015",
)
def local_predictive_attention(
    q: Any,
    k: Any,
    v: Any,
    w_p: Any,
    v_p: Any,
    lengths: Any | None = None,
    *,
    window: int = 10,
    sigma: float | None = None,
    score: str | Callable = "dot",
    mask: Any | None = None,
    causal: bool = False,
    form: str = "gathered",
) -> Any:
    """Attend to the keys around a position that is predicted from the query.

    Parameters
    ----------
    q : array, shape (..., n, d)
        Queries (target); batch axes broadcast.
    k : array, shape (..., m, d)
        Keys (source). They may have another size than queries if the score allows it.
    v : array, shape (..., m, e)
        Values.
    w_p : array, shape (..., a, d)
    v_p : array, shape (..., a)
        The learned predictor of positions.
    lengths : array, shape (..., n), optional
        The length S of the source that each query looks at, where padding makes m larger; by default m.
    window : int
        The paper's D: query i sees the keys from p_i - w to p_i + w, at most 2 w + 1.
    sigma : float, optional
        Width of the Gaussian; by default w / 2.
    score : str or callable
        A name in `factorattn.score.SCORES` of a score without learned arrays, or a function of queries and keys. In
        form "gathered" it is called with queries (n, ..., 1, d) and keys (n, ..., w, d), for some of the n queries:
        learned arrays that it brings may have batch axes, but none of queries or keys, for which there is "dense".
    mask : boolean array broadcasting to (..., n, m), optional
        True where query i may attend to key j.
    causal : bool
        Query i sees keys ``j <= i + m - n`` only. Without `lengths`, m itself is known from the start.
    form : {"gathered", "dense"}
        Equal to rounding. "dense" is the definition, O(n m).

    Returns
    -------
    o : array, shape (..., n, e), result dtype of the inputs
        Zeros in rows that may attend to no key.

    Raises
    ------
    ValueError
        If shapes disagree, `window` is not a positive integer, `sigma` is not positive, or an option is unknown.
    TypeError
        If inputs are not floating arrays of one library, or `mask` is not boolean.

    Notes
    -----
    The first key has position 0, so p_i = S is just behind the last one: so it is in the authors' code. That code takes
    the window around the integer below p_i; here it is that of the paper, around p_i itself. float16 and bfloat16
    inputs are computed in float32.

    References
    ----------
    Luong, Pham and Manning, "Effective Approaches to Attention-based Neural Machine Translation", 2015, section 3.2,
    equations 9 and 10. arXiv:1508.04025
    """
    score = score_of(score)
    named = {"q": q, "k": k, "v": v, "w_p": w_p, "v_p": v_p, "lengths": lengths}
    xp, size = check(contract_of(score, INPUTS), **named, window=window)
    attend = choose(NEAR, form=form)
    sigma = size["w"] / 2 if sigma is None else positive(sigma=sigma)
    dtype, (q, k, v, w_p, v_p, *given) = working_precision(*(x for x in named.values() if x is not None), xp=xp)
    mask, _ = check_pairs(mask, None, q, k, v, xp=xp)
    band = band_of(causal, None, None, size["n"], size["m"])
    hidden = xp.tanh(q @ w_p.mT)  # (..., n, a)
    share = activation_of("sigmoid", xp=xp)((hidden @ v_p[..., :, None])[..., 0])  # (..., n)
    p = share * (given[0] if given else float(size["m"]))
    o = attend(q, k, v, p, window=size["w"], sigma=sigma, score=score, mask=mask, band=band, xp=xp)
    return xp.astype(o, dtype, copy=False)
