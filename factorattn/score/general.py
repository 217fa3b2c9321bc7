"""General, or bilinear (Luong, Pham and Manning 2015).

    a_ij = q_i^T W k_j

Query and key may have different sizes.
"""

from typing import Any

from factorattn.catalogue import Score
from factorattn.contract import check, working_precision

__all__ = ["general"]

INPUTS = "q: ... n d, k: ... m c, w: ... d c"


@Score(inputs=INPUTS, time="n*m*c", memory="n*m", paper="luong2015")
def general(q: Any, k: Any, w: Any) -> Any:
    """Bilinear form of query and key.

    Parameters
    ----------
    q : array, shape (..., n, d)
    k : array, shape (..., m, c)
        Queries and keys; batch axes broadcast.
    w : array, shape (..., d, c)
        The learned matrix W.

    Returns
    -------
    a : array, shape (..., n, m), result dtype of the inputs

    References
    ----------
    Luong, Pham and Manning, "Effective Approaches to Attention-based Neural Machine Translation", 2015, section 3.1.
    arXiv:1508.04025
    """
    xp, _ = check(INPUTS, q=q, k=k, w=w)
    dtype, (q, k, w) = working_precision(q, k, w, xp=xp)
    return xp.astype((q @ w) @ k.mT, dtype, copy=False)
