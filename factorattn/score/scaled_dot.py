"""Scaled dot product (Vaswani et al. 2017).

    a_ij = q_i . k_j / sqrt(d)

For independent entries of variance one the score has variance one, whatever d is.
"""

from typing import Any

from factorattn.catalogue import Score
from factorattn.contract import check, working_precision
from factorattn.scalars import real

__all__ = ["scaled_dot"]

INPUTS = "q: ... n d, k: ... m d"


@Score(inputs=INPUTS, time="n*m*d", memory="n*m", paper="vaswani2017")
def scaled_dot(q: Any, k: Any, *, scale: float | None = None) -> Any:
    """Inner product of query and key, scaled.

    Parameters
    ----------
    q : array, shape (..., n, d)
    k : array, shape (..., m, d)
        Queries and keys; batch axes broadcast.
    scale : float, optional
        Factor of q . k; by default 1 / sqrt(d).

    Returns
    -------
    a : array, shape (..., n, m), result dtype of the inputs

    References
    ----------
    Vaswani et al., "Attention Is All You Need", 2017, section 3.2.1. arXiv:1706.03762
    """
    xp, size = check(INPUTS, q=q, k=k)
    scale = max(size["d"], 1) ** -0.5 if scale is None else real(scale=scale)
    dtype, (q, k) = working_precision(q, k, xp=xp)
    return xp.astype((q * scale) @ k.mT, dtype, copy=False)
