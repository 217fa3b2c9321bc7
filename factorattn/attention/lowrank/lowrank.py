"""Low-rank attention: the softmax matrix P replaced by its truncated singular value decomposition.

    P = softmax(scale q k^T) = U diag(s) V^T,       o = U_r (diag(s_r) (V_r^T v))

No matrix of rank r is nearer to P in the Frobenius norm (Eckart and Young 1936): the yardstick for every mechanism
whose weights have rank r. It costs more than what it approximates.
"""

from typing import Any

from factorattn.attention.exact.options import check_pairs, scale_of
from factorattn.catalogue import mechanism, refuse
from factorattn.contract import check, choose, working_precision
from factorattn.factor.lowrank.truncated_svd import leading_triplets
from factorattn.primitives.pairs import masked_logits, softmax_weights

__all__ = ["lowrank_attention"]

INPUTS = "q: ... n d, k: ... m d, v: ... m e, rank = r"


@mechanism(
    inputs=INPUTS,
    forms=("svd", "projection"),
    time="n*m*d + n*m**2 + m**3 + m*r*e + n*r*e",
    memory="n*m + m**2",
    causal="never",
    normalised=False,
    coupled=True,
    refuses={
        "causal": "a singular vector holds weights of all times; give the causal mask= to approximate causal weights",
    },
    paper="eckart1936",
    approximates="softmax_attention",
    knob="r",
)
def lowrank_attention(
    q: Any,
    k: Any,
    v: Any,
    *,
    rank: int = 64,
    mask: Any | None = None,
    bias: Any | None = None,
    scale: float | None = None,
    causal: bool = False,
    form: str = "svd",
) -> Any:
    """Attend with the best rank-r approximation of the softmax weights.

    Parameters
    ----------
    q : array, shape (..., n, d)
    k : array, shape (..., m, d)
    v : array, shape (..., m, e)
        Queries, keys and values; batch axes broadcast.
    rank : int
        Singular triplets kept; min(n, m) or more is exact.
    mask : boolean array broadcasting to (..., n, m), optional
        True where query i may attend to key j. The approximation itself may put weight on other pairs.
    bias : array broadcasting to (..., n, m), optional
        Added to the logits.
    scale : float, optional
        Factor of q . k; by default 1 / sqrt(d).
    causal : None or False
        Refused, with the reason.
    form : {"svd", "projection"}
        Equal to rounding where the singular value `rank` is apart from the next. "svd" is the definition; "projection"
        applies P and then projects on its leading left singular vectors, U_r U_r^T (P v).

    Returns
    -------
    o : array, shape (..., n, e), result dtype of the inputs

    Raises
    ------
    ValueError
        If shapes disagree, `rank` is not positive, or `form` is unknown.
    TypeError
        If inputs are not floating arrays of one library, or `mask` is not boolean.

    Notes
    -----
    Time is declared for n >= m; for n < m the two change places. Needs the ``linalg`` extension of the array API. A
    singular vector holds weights of all times: there is no causal form. Singular vectors mix all pairs: NaN or infinity
    in a value that any query sees reaches every row, and in a query or key it makes the decomposition fail. float16
    and bfloat16 inputs are computed in float32.

    References
    ----------
    Eckart and Young, "The approximation of one matrix by another of lower rank", Psychometrika 1, 1936, pages 211-218.
    """
    refuse(lowrank_attention, causal=causal)
    xp, size = check(INPUTS, q=q, k=k, v=v, rank=rank)
    apply = choose(FORMS, form=form)
    dtype, (q, k, v) = working_precision(q, k, v, xp=xp)
    mask, bias = check_pairs(mask, bias, q, k, v, xp=xp)
    scale = scale_of(scale, size["d"])
    weights, _ = softmax_weights(masked_logits(q * scale, k, softcap=None, bias=bias, seen=mask, xp=xp), xp=xp)
    if mask is not None or bias is not None:  # what no query sees must not come back as 0 * NaN
        sees = xp.any(weights != 0, axis=-1, keepdims=True)  # (..., n, 1)
        v = xp.where(xp.any(weights != 0, axis=-2, keepdims=True).mT, v, 0.0)
    if 0 in weights.shape:
        return xp.astype(weights @ v, dtype, copy=False)
    o = apply(weights, v, rank, xp=xp)  # (..., n, e)
    if mask is not None or bias is not None:  # a row that sees nothing is zero, not rounding noise
        o = xp.where(sees, o, 0.0)
    return xp.astype(o, dtype, copy=False)


def _svd(weights, v, rank, *, xp):
    """The definition: three thin products."""
    u, s, vt = leading_triplets(weights, rank, xp=xp)  # (..., n, r), (..., r), (..., r, m)
    return u @ (s[..., :, None] * (vt @ v))  # (..., n, e)


def _projection(weights, v, rank, *, xp):
    """The exact output, projected."""
    u, _, _ = leading_triplets(weights, rank, xp=xp)  # (..., n, r)
    return u @ (u.mT @ (weights @ v))  # (..., n, e)


FORMS = {"svd": _svd, "projection": _projection}
