"""Additive (Bahdanau, Cho and Bengio 2015): a network with one hidden layer looks at query and key.

    a_ij = w^T tanh(W q_i + U k_j + b)

W q and U k are computed once each; what is left for a pair is one tanh for each hidden unit.
"""

from typing import Any

from factorattn.catalogue import Score
from factorattn.contract import check, working_precision
from factorattn.score.engine import activation_of, hidden_scores, weigh_units

__all__ = ["additive"]

INPUTS = "q: ... n d, k: ... m c, w_q: ... a d, w_k: ... a c, w: ... a, b?: ... a"


@Score(inputs=INPUTS, time="n*m*a", memory="n*m", paper="bahdanau2015")
def additive(q: Any, k: Any, w_q: Any, w_k: Any, w: Any, b: Any | None = None, *, activation: str = "tanh") -> Any:
    """Score by a network with one hidden layer.

    Parameters
    ----------
    q : array, shape (..., n, d)
    k : array, shape (..., m, c)
        Queries (decoder states) and keys (annotations); batch axes broadcast.
    w_q : array, shape (..., a, d)
    w_k : array, shape (..., a, c)
        The learned projections W and U.
    w : array, shape (..., a)
        The learned weights of the hidden units.
    b : array, shape (..., a), optional
        A bias, which the paper leaves out of its equations; by default none.
    activation : {"tanh", "relu", "sigmoid", "identity"}

    Returns
    -------
    a : array, shape (..., n, m), result dtype of the inputs

    References
    ----------
    Bahdanau, Cho and Bengio, "Neural Machine Translation by Jointly Learning to Align and Translate", 2015, appendix
    A.1.2. arXiv:1409.0473
    """
    xp, _ = check(INPUTS, q=q, k=k, w_q=w_q, w_k=w_k, w=w, b=b)
    act = activation_of(activation, xp=xp)
    given = (q, k, w_q, w_k, w) if b is None else (q, k, w_q, w_k, w, b)
    dtype, (q, k, w_q, w_k, w, *bias) = working_precision(*given, xp=xp)
    x, y = q @ w_q.mT, k @ w_k.mT  # (..., n, a), (..., m, a)
    for vector in bias:
        x = x + vector[..., None, :]
    return xp.astype(hidden_scores(x, y, lambda hidden, _: weigh_units(act(hidden), w), xp=xp), dtype, copy=False)
