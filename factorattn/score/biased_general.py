"""Biased general (Sordoni et al. 2016): a bilinear form, and a part that does not depend on the query.

    a_ij = k_j^T (W q_i + b)

k_j . b says how important a key is to everyone.
"""

from typing import Any

from factorattn.catalogue import Score
from factorattn.contract import check, working_precision

__all__ = ["biased_general"]

INPUTS = "q: ... n d, k: ... m c, w: ... c d, b: ... c"


@Score(inputs=INPUTS, time="n*m*c", memory="n*m", paper="sordoni2016")
def biased_general(q: Any, k: Any, w: Any, b: Any) -> Any:
    """Bilinear form of query and key with a bias on the side of the query.

    Parameters
    ----------
    q : array, shape (..., n, d)
    k : array, shape (..., m, c)
        Queries and keys; batch axes broadcast.
    w : array, shape (..., c, d)
        The learned matrix W; that of `general` is its transpose.
    b : array, shape (..., c)
        The learned bias.

    Returns
    -------
    a : array, shape (..., n, m), result dtype of the inputs

    References
    ----------
    Sordoni, Bachman, Trischler and Bengio, "Iterative Alternating Neural Attention for Machine Reading", 2016.
    arXiv:1606.02245
    """
    xp, _ = check(INPUTS, q=q, k=k, w=w, b=b)
    dtype, (q, k, w, b) = working_precision(q, k, w, b, xp=xp)
    return xp.astype((q @ w.mT + b[..., None, :]) @ k.mT, dtype, copy=False)
