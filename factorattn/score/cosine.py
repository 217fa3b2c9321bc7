"""Cosine similarity (Graves, Wayne and Danihelka 2014): content addressing of the Neural Turing Machine.

    a_ij = beta_i q_i . k_j / (|q_i| |k_j|)

beta, the key strength, sharpens or blurs: without it all scores lie between -1 and 1.
"""

from numbers import Real
from typing import Any

from factorattn.catalogue import Score
from factorattn.contract import check, working_precision
from factorattn.primitives.elementwise import unit_rows
from factorattn.scalars import real

__all__ = ["cosine"]

INPUTS = "q: ... n d, k: ... m d, beta?: ... n"


@Score(inputs=INPUTS, time="n*m*d", memory="n*m", paper="graves2014")
def cosine(q: Any, k: Any, beta: Any | None = None) -> Any:
    """Cosine of the angle between query and key, times a strength.

    Parameters
    ----------
    q : array, shape (..., n, d)
    k : array, shape (..., m, d)
        Queries and keys; batch axes broadcast.
    beta : array, shape (..., n), or float, optional
        Key strength of each query, or of all; by default 1.

    Returns
    -------
    a : array, shape (..., n, m), result dtype of the inputs
        0 where a vector is zero, which has no direction.

    Notes
    -----
    Vectors are scaled by their largest entry first, so that no square overflows or vanishes. Implementations that add a
    small number to the denominator give smaller scores to short vectors.

    References
    ----------
    Graves, Wayne and Danihelka, "Neural Turing Machines", 2014, section 3.3.1, equations 5 and 6. arXiv:1410.5401
    """
    number = isinstance(beta, Real)
    xp, _ = check(INPUTS, q=q, k=k, beta=None if number else beta)
    dtype, (q, k, *strength) = working_precision(*((q, k) if beta is None or number else (q, k, beta)), xp=xp)
    q, k = (unit_rows(x, xp=xp) for x in (q, k))
    if number:
        q = q * real(beta=beta)
    for array in strength:
        q = q * array[..., None]
    return xp.astype(q @ k.mT, dtype, copy=False)
