"""Adaptive span (Sukhbaatar et al. 2019): each head looks back as far as it has learned to, behind a soft mask.

    m_z(x) = min(max((R + z - x) / R, 0), 1)
    o_i = sum_{j = i - S}^{i - 1} p_ij v_j,   p_ij = m_z(i - j) exp(a_ij) / sum_{l = i - S}^{i - 1} m_z(i - l) exp(a_il)

The mask is one up to the span z and falls to zero over a ramp of R positions, so that z has a gradient.
"""

from typing import Any

from factorattn.attention.exact.options import check_pairs, scale_of
from factorattn.attention.exact.softmax import FORMS as EXACT
from factorattn.attention.sparse.engine import LEAST_BLOCK, attend_blocks, cut
from factorattn.attention.sparse.gather import positions
from factorattn.catalogue import mechanism
from factorattn.contract import check, choose, working_precision
from factorattn.scalars import flag, positive, real

__all__ = ["adaptive_span_attention", "span_penalty"]

INPUTS = "q: ... n d, k: ... n d, v: ... n e, z: ... n, window = w"


@mechanism(
    inputs=INPUTS,
    forms=("dense", "blocked"),
    time="n*w*d + n*w*e",
    memory="n*e",
    causal="always",
    normalised=False,
    positional=True,
    mask_shape="n n",
    paper="sukhbaatar2019",
)
def adaptive_span_attention(
    q: Any,
    k: Any,
    v: Any,
    z: Any,
    *,
    window: int = 1024,
    ramp: float = 32.0,
    own: bool = False,
    scale: float | None = None,
    mask: Any | None = None,
    form: str = "blocked",
) -> Any:
    """Attend to earlier keys behind a soft mask of learned span; always causal.

    Parameters
    ----------
    q, k : array, shape (..., n, d)
    v : array, shape (..., n, e)
        Queries, keys and values of one sequence; batch axes broadcast.
    z : array, shape (..., n)
        Span of each query, from 0 to `window`: the paper's "dynamic attention span". A span of each head, z (h,), is
        ``xp.broadcast_to(z[:, None], (h, n))``.
    window : int
        The largest span S: keys farther back are never seen. Cost follows it.
    ramp : float
        The R of the paper (32 there): over so many positions the mask falls from one to zero.
    own : bool
        Let a query see its own key, too, at distance 0. The paper does not, and nor does its code.
    scale : float, optional
        Factor of q . k; by default 1 / sqrt(d).
    mask : boolean array broadcasting to (..., n, n), optional
        True where query i may attend to key j, besides.
    form : {"blocked", "dense"}
        Equal to rounding. "dense" is the definition, O(n^2).

    Returns
    -------
    o : array, shape (..., n, e), result dtype of the inputs
        Zeros in rows that have no key, such as the first one.

    Raises
    ------
    ValueError
        If shapes disagree, or an option is none that there is.
    TypeError
        If inputs are not floating arrays of one library.

    Notes
    -----
    Weights of a row sum to one, or to zero where there is no key. `span_penalty` is the term that the paper adds to the
    loss. The authors' code masks with (R + z + 1 - x) / R, which is one position more, and adds 1e-8 to the sum of
    weights. float16 and bfloat16 inputs are computed in float32.

    References
    ----------
    Sukhbaatar, Grave, Bojanowski and Joulin, "Adaptive Attention Span in Transformers", 2019. arXiv:1905.07799
    """
    xp, size = check(INPUTS, q=q, k=k, v=v, z=z, window=window)
    attend = choose(FORMS, form=form)
    dtype, (q, k, v, z) = working_precision(q, k, v, z, xp=xp)
    mask, _ = check_pairs(mask, None, q, k, v, xp=xp)
    options = {"window": min(size["w"], size["n"]), "ramp": positive(ramp=ramp), "last": 0 if flag(own=own) else -1}
    o, _ = attend(q, k, v, z[..., None], **options, scale=scale_of(scale, size["d"]), mask=mask, xp=xp)
    return xp.astype(o, dtype, copy=False)


def span_penalty(z: Any, *, weight: float) -> Any:
    """The term that keeps spans short, ``weight / M sum_z z`` over M heads: add it to the loss.

    Parameters
    ----------
    z : array, shape (..., h)
        Spans, which are not negative.
    weight : float
        The lambda of the paper.

    Returns
    -------
    penalty : array without axes
    """
    xp, _ = check("z: ... h", z=z)
    return real(weight=weight) * xp.mean(z)


def _log_mask(z, apart, ramp, *, xp):
    """The logarithm of m_z, -inf where the mask is zero: added to logits, it multiplies their exponentials by m_z."""
    soft = xp.clip((ramp + z - apart) / ramp, 0.0, 1.0)
    return xp.where(soft == 0, -xp.inf, xp.log(xp.where(soft == 0, 1.0, soft)))


def _dense(q, k, v, z, *, window, ramp, last, scale, mask, xp):
    """The definition: every pair."""
    i, j = positions(q.shape[-2], like=q, xp=xp)
    bias = _log_mask(z, xp.astype(i - j, q.dtype), ramp, xp=xp)  # (..., n, n)
    return EXACT["dense"](q, k, v, scale=scale, softcap=None, bias=bias, mask=mask, band=(-window, last), xp=xp)


def _blocked(q, k, v, z, *, window, ramp, last, scale, mask, xp):
    block = max(window, LEAST_BLOCK)
    spans = cut(z, block, xp=xp)  # (..., n/b, b, 1)
    numbers = {"dtype": q.dtype, "device": q.device}

    def bias(group):
        apart = xp.arange(window, window + block, **numbers)[:, None] - xp.arange(window + block, **numbers)[None, :]
        soft = _log_mask(spans[..., group, :, :], apart, ramp, xp=xp)  # (..., blocks, b, w + b)
        return xp.where(apart < -last, -xp.inf, soft)  # a band that ends before the block would give odd tiles

    return attend_blocks(
        q, k, v, block=block, left=window, right=0, band=(-window, 0), scale=scale, mask=mask, bias=bias, xp=xp
    )


FORMS = {"dense": _dense, "blocked": _blocked}
