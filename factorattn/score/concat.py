"""Concat (Luong, Pham and Manning 2015): one matrix for query and key side by side.

    a_ij = v^T tanh(W [q_i; k_j])

W [q; k] = W_q q + W_k k with W = [W_q, W_k]: the joined vectors are never made.
"""

from typing import Any

from factorattn.catalogue import Score
from factorattn.contract import check, working_precision
from factorattn.score.engine import activation_of, hidden_scores, weigh_units

__all__ = ["concat"]

INPUTS = "q: ... n d, k: ... m c, w: ... a f, v: ... a"


@Score(inputs=INPUTS, time="n*m*a", memory="n*m", paper="luong2015")
def concat(q: Any, k: Any, w: Any, v: Any, *, activation: str = "tanh") -> Any:
    """Score by a network with one hidden layer on the joined query and key.

    Parameters
    ----------
    q : array, shape (..., n, d)
    k : array, shape (..., m, c)
        Queries and keys; batch axes broadcast.
    w : array, shape (..., a, f) with f = d + c
        The learned matrix W: its first d columns are for the query.
    v : array, shape (..., a)
        The learned weights of the hidden units.
    activation : {"tanh", "relu", "sigmoid", "identity"}

    Returns
    -------
    a : array, shape (..., n, m), result dtype of the inputs

    Raises
    ------
    ValueError
        If shapes disagree, or `w` has not d + c columns.

    References
    ----------
    Luong, Pham and Manning, "Effective Approaches to Attention-based Neural Machine Translation", 2015, section 3.1.
    arXiv:1508.04025
    """
    xp, size = check(INPUTS, q=q, k=k, w=w, v=v)
    d = size["d"]
    if size["f"] != d + size["c"]:
        raise ValueError(f"w must have d + c = {d + size['c']} columns, got shape {tuple(w.shape)}; expected {INPUTS}")
    act = activation_of(activation, xp=xp)
    dtype, (q, k, w, v) = working_precision(q, k, w, v, xp=xp)
    x, y = q @ w[..., :d].mT, k @ w[..., d:].mT  # (..., n, a), (..., m, a)
    return xp.astype(hidden_scores(x, y, lambda hidden, _: weigh_units(act(hidden), v), xp=xp), dtype, copy=False)
