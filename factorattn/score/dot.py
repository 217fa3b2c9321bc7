"""Dot product (Luong, Pham and Manning 2015): the "dot" score, also called multiplicative.

    a_ij = q_i . k_j

No parameters: query and key have to speak the same language already.
"""

from typing import Any

from factorattn.catalogue import Score
from factorattn.contract import check, working_precision

__all__ = ["dot"]

INPUTS = "q: ... n d, k: ... m d"


@Score(inputs=INPUTS, time="n*m*d", memory="n*m", paper="luong2015")
def dot(q: Any, k: Any) -> Any:
    """Inner product of query and key.

    Parameters
    ----------
    q : array, shape (..., n, d)
    k : array, shape (..., m, d)
        Queries and keys; batch axes broadcast.

    Returns
    -------
    a : array, shape (..., n, m), result dtype of the inputs

    References
    ----------
    Luong, Pham and Manning, "Effective Approaches to Attention-based Neural Machine Translation", 2015, section 3.1.
    arXiv:1508.04025
    """
    xp, _ = check(INPUTS, q=q, k=k)
    dtype, (q, k) = working_precision(q, k, xp=xp)
    return xp.astype(q @ k.mT, dtype, copy=False)
