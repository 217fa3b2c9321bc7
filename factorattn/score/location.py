"""Location (Luong, Pham and Manning 2015): the query alone says where to look.

    a_ij = act(W q_i)_j

Keys do not matter; row j of W stands for position j.
"""

from typing import Any

import numpy as np

from factorattn.catalogue import Score
from factorattn.contract import check, working_precision
from factorattn.score.engine import activation_of

__all__ = ["location"]

INPUTS = "q: ... n d, k: ... m c, w: ... m d"


@Score(inputs=INPUTS, time="n*m*d", memory="n*m", paper="luong2015")
def location(q: Any, k: Any, w: Any, *, activation: str = "identity") -> Any:
    """Score positions by the query alone.

    Parameters
    ----------
    q : array, shape (..., n, d)
    k : array, shape (..., m, c)
        Queries and keys; the keys are counted, and not looked at.
    w : array, shape (..., m, d)
        A learned row for each position. Where sentences are shorter than the longest, hand in the first m rows (the
        paper does).
    activation : {"identity", "tanh", "relu", "sigmoid"}
        The paper has none.

    Returns
    -------
    a : array, shape (..., n, m), result dtype of the inputs

    References
    ----------
    Luong, Pham and Manning, "Effective Approaches to Attention-based Neural Machine Translation", 2015, section 3.1,
    "location-based". arXiv:1508.04025
    """
    xp, _ = check(INPUTS, q=q, k=k, w=w)
    act = activation_of(activation, xp=xp)
    dtype, (q, k, w) = working_precision(q, k, w, xp=xp)
    a = act(q @ w.mT)  # (..., n, m)
    batch = np.broadcast_shapes(a.shape[:-2], k.shape[:-2])
    return xp.astype(xp.broadcast_to(a, (*batch, *a.shape[-2:])), dtype, copy=False)
