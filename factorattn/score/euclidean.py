"""Negative squared Euclidean distance (Kim, Papamakarios and Mnih 2021): "L2 attention".

    a_ij = -scale |q_i - k_j|^2

Unlike the dot product it cannot be raised by a longer key, which makes softmax attention Lipschitz if keys are queries.
"""

from typing import Any

from factorattn.catalogue import Score
from factorattn.contract import check, working_precision
from factorattn.scalars import positive
from factorattn.score.engine import distances, finite

__all__ = ["euclidean"]

INPUTS = "q: ... n d, k: ... m d"


@Score(inputs=INPUTS, time="n*m*d", memory="n*m", paper="kim2021lipschitz")
def euclidean(q: Any, k: Any, *, scale: float | None = None) -> Any:
    """Squared distance of query and key, negative.

    Parameters
    ----------
    q : array, shape (..., n, d)
    k : array, shape (..., m, d)
        Queries and keys; batch axes broadcast.
    scale : float, optional
        Positive factor of the squared distance; by default 1. (The paper divides by the square root of the width of a
        head.)

    Returns
    -------
    a : array, shape (..., n, m), result dtype of the inputs
        At most 0; where the square overflows, the most negative number: such a key is far, and yet seen.

    Notes
    -----
    The square is not expanded into ``|q|^2 - 2 q . k + |k|^2``, which is faster and loses all digits where q is near k.

    References
    ----------
    Kim, Papamakarios and Mnih, "The Lipschitz Constant of Self-Attention", 2021. arXiv:2006.04710
    """
    xp, _ = check(INPUTS, q=q, k=k)
    scale = 1.0 if scale is None else positive(scale=scale)
    dtype, (q, k) = working_precision(q, k, xp=xp)
    return xp.astype(finite(distances(q, k, power=2, xp=xp) * -scale, dtype, xp=xp), dtype, copy=False)
