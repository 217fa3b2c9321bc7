"""Activated general (Ma et al. 2017): a bilinear form through a nonlinearity.

    a_ij = act(q_i^T W k_j + b)

With tanh, as in the paper, no key can have more than e^2 times the softmax weight of another.
"""

from typing import Any

from factorattn.catalogue import Score
from factorattn.contract import check, working_precision
from factorattn.score.engine import activation_of

__all__ = ["activated_general"]

INPUTS = "q: ... n d, k: ... m c, w: ... d c, b?: ..."


@Score(inputs=INPUTS, time="n*m*c", memory="n*m", paper="ma2017")
def activated_general(q: Any, k: Any, w: Any, b: Any | None = None, *, activation: str = "tanh") -> Any:
    """Activation of a bilinear form of query and key.

    Parameters
    ----------
    q : array, shape (..., n, d)
    k : array, shape (..., m, c)
        Queries and keys; batch axes broadcast.
    w : array, shape (..., d, c)
        The learned matrix W.
    b : array, shape (...), optional
        The learned bias, one number (for each head); by default 0.
    activation : {"tanh", "relu", "sigmoid", "identity"}

    Returns
    -------
    a : array, shape (..., n, m), result dtype of the inputs

    References
    ----------
    Ma, Li, Zhang and Wang, "Interactive Attention Networks for Aspect-Level Sentiment Classification", 2017.
    arXiv:1709.00893
    """
    xp, _ = check(INPUTS, q=q, k=k, w=w, b=b)
    act = activation_of(activation, xp=xp)
    dtype, (q, k, w, *bias) = working_precision(*((q, k, w) if b is None else (q, k, w, b)), xp=xp)
    a = (q @ w) @ k.mT  # (..., n, m)
    for number in bias:
        a = a + number[..., None, None]
    return xp.astype(act(a), dtype, copy=False)
