"""Soft attention (Bahdanau, Cho and Bengio 2015): the first one, with a small network as the score.

    a_ij = w^T tanh(W q_i + U k_j + b),   p_ij = exp(a_ij) / sum_l exp(a_il),   o_i = sum_j p_ij v_j

q_i is the state of a decoder before its i-th word, k_j = v_j the annotation of the j-th word of the source.
"""

from typing import Any

from factorattn.attention.alignment.engine import each_tile, hide
from factorattn.attention.exact.options import band_of, check_pairs
from factorattn.catalogue import mechanism
from factorattn.contract import check, choose, working_precision
from factorattn.primitives.pairs import softmax_weights, weigh
from factorattn.score.engine import HIDDEN_ROWS, weigh_units

__all__ = ["soft_attention"]

INPUTS = "q: ... n d, k: ... m c, v: ... m e, w_q: ... a d, w_k: ... a c, w: ... a, b?: ... a"


@mechanism(
    inputs=INPUTS,
    forms=("dense", "tiled"),
    time="n*m*a + n*m*e",
    memory="n*a + m*a + n*e",
    causal="option",
    normalised=True,
    paper="bahdanau2015",
)
def soft_attention(
    q: Any,
    k: Any,
    v: Any,
    w_q: Any,
    w_k: Any,
    w: Any,
    b: Any | None = None,
    *,
    mask: Any | None = None,
    causal: bool = False,
    form: str = "tiled",
) -> Any:
    """Attend to all keys, with a network of one hidden layer as the score.

    Parameters
    ----------
    q : array, shape (..., n, d)
        Decoder states; batch axes broadcast.
    k : array, shape (..., m, c)
        Annotations.
    v : array, shape (..., m, e)
        Values; in the paper the annotations again.
    w_q : array, shape (..., a, d)
    w_k : array, shape (..., a, c)
    w : array, shape (..., a)
        The learned alignment model: W, U and the weights of its a hidden units.
    b : array, shape (..., a), optional
        A bias of the hidden units, which the paper leaves out of its equations; by default none.
    mask : boolean array broadcasting to (..., n, m), optional
        True where query i may attend to key j.
    causal : bool
        Query i sees keys ``j <= i + m - n`` only. The paper's decoder sees the whole source.
    form : {"tiled", "dense"}
        Equal to rounding. "dense" is the definition and holds n m a hidden units; "tiled" those of a few queries.

    Returns
    -------
    o : array, shape (..., n, e), result dtype of the inputs
        Zeros in rows that may attend to no key.

    Raises
    ------
    ValueError
        If shapes disagree or `form` is unknown.
    TypeError
        If inputs are not floating arrays of one library, or `mask` is not boolean.

    Notes
    -----
    float16 and bfloat16 inputs are computed in float32.

    References
    ----------
    Bahdanau, Cho and Bengio, "Neural Machine Translation by Jointly Learning to Align and Translate", 2015, section
    3.1 and appendix A.1.2. arXiv:1409.0473
    """
    xp, size = check(INPUTS, q=q, k=k, v=v, w_q=w_q, w_k=w_k, w=w, b=b)
    attend = choose(FORMS, form=form)
    given = (q, k, v, w_q, w_k, w) if b is None else (q, k, v, w_q, w_k, w, b)
    dtype, (q, k, v, w_q, w_k, w, *bias) = working_precision(*given, xp=xp)
    mask, _ = check_pairs(mask, None, q, k, v, xp=xp)
    band = band_of(causal, None, None, size["n"], size["m"])
    x, y = q @ w_q.mT, k @ w_k.mT  # (..., n, a), (..., m, a)
    for vector in bias:
        x = x + vector[..., None, :]
    return xp.astype(attend(x, y, w, v, mask=mask, band=band, xp=xp), dtype, copy=False)


def _dense(x, y, w, v, *, mask, band, xp):
    """The definition: the hidden units of all pairs at once."""
    return _attend_rows(x, y, w, v, slice(0, x.shape[-2]), mask, band, xp)


def _tiled(x, y, w, v, *, mask, band, xp):
    """The same, a few queries at a time."""

    def attend_rows(rows):
        return _attend_rows(x[..., rows, :], y, w, v, rows, mask, band, xp)

    return each_tile(attend_rows, x.shape[-2], HIDDEN_ROWS, xp=xp)


def _attend_rows(x, y, w, v, rows, mask, band, xp):
    hidden = xp.tanh(x[..., :, None, :] + y[..., None, :, :])  # (..., rows, m, a)
    a, some_hidden = hide(weigh_units(hidden, w), rows, mask=mask, bias=None, band=band, xp=xp)  # (..., rows, m)
    return weigh(softmax_weights(a, xp=xp)[0], v, guarded=some_hidden, xp=xp)  # (..., rows, e)


FORMS = {"dense": _dense, "tiled": _tiled}
