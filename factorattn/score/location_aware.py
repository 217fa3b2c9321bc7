"""Location-aware (Chorowski et al. 2015): an additive score that also sees where the step before looked.

    f_i = F * alpha_i,   a_ij = w^T tanh(W q_i + V k_j + U f_ij + b)

alpha_i are the weights of the previous step, F * alpha_i their convolution with f learned filters of width r.
"""

from typing import Any

from factorattn.catalogue import Score
from factorattn.contract import check, working_precision
from factorattn.score.engine import activation_of, hidden_scores, weigh_units

__all__ = ["location_aware"]

INPUTS = (
    "q: ... n d, k: ... m c, previous: ... n m, filters: ... f r, "
    "w_q: ... a d, w_k: ... a c, w_f: ... a f, w: ... a, b?: ... a"
)


@Score(inputs=INPUTS, time="n*m*f*r + n*m*a*f", memory="n*m + m*r", paper="chorowski2015")
def location_aware(
    q: Any,
    k: Any,
    previous: Any,
    filters: Any,
    w_q: Any,
    w_k: Any,
    w_f: Any,
    w: Any,
    b: Any | None = None,
    *,
    activation: str = "tanh",
) -> Any:
    """Score by a network that sees query, key, and the previous weights around the key.

    Parameters
    ----------
    q : array, shape (..., n, d)
    k : array, shape (..., m, c)
        Queries (decoder states) and keys; batch axes broadcast.
    previous : array, shape (..., n, m)
        For each query, the weights alpha of the step before it.
    filters : array, shape (..., f, r)
        The learned filters F. Tap t stands over position j + t - (r - 1) // 2; outside the weights are zero.
    w_q : array, shape (..., a, d)
    w_k : array, shape (..., a, c)
    w_f : array, shape (..., a, f)
        The learned projections W, V and U.
    w : array, shape (..., a)
        The learned weights of the hidden units.
    b : array, shape (..., a), optional
        A bias; by default none.
    activation : {"tanh", "relu", "sigmoid", "identity"}

    Returns
    -------
    a : array, shape (..., n, m), result dtype of the inputs

    Notes
    -----
    Filters are not flipped, as in the convolution layers of deep learning libraries. Only a few queries' convolutions
    are held at once.

    References
    ----------
    Chorowski, Bahdanau, Serdyuk, Cho and Bengio, "Attention-Based Models for Speech Recognition", 2015, "Attention
    with Convolutional Features". arXiv:1506.07503
    """
    given = {"q": q, "k": k, "previous": previous, "filters": filters, "w_q": w_q, "w_k": w_k, "w_f": w_f, "w": w}
    xp, size = check(INPUTS, **given, b=b)
    act = activation_of(activation, xp=xp)
    arrays = tuple(given.values()) if b is None else (*given.values(), b)
    dtype, (q, k, previous, filters, w_q, w_k, w_f, w, *bias) = working_precision(*arrays, xp=xp)
    x, y = q @ w_q.mT, k @ w_k.mT  # (..., n, a), (..., m, a)
    for vector in bias:
        x = x + vector[..., None, :]
    m, r = size["m"], size["r"]
    taps = xp.arange(r, dtype=xp.int64, device=q.device) - (r - 1) // 2
    place = xp.arange(m, dtype=xp.int64, device=q.device)[:, None] + taps  # (m, r)
    inside = (place >= 0) & (place < m)
    place = xp.reshape(xp.where(inside, place, 0), (m * r,))

    def score_of(hidden, rows):
        around = xp.take(previous[..., rows, :], place, axis=-1)
        around = xp.where(inside, xp.reshape(around, (*around.shape[:-1], m, r)), 0.0)  # (..., rows, m, r)
        f = around @ filters.mT[..., None, :, :]  # (..., rows, m, f)
        return weigh_units(act(hidden + f @ w_f.mT[..., None, :, :]), w)

    return xp.astype(hidden_scores(x, y, score_of, xp=xp), dtype, copy=False)
