"""Generalized kernel (Choromanski et al. 2021): an inner product of features.

    a_ij = phi(q_i) . phi(k_j)

With features that are not negative it is a weight already: see the distribution `proportional`.
"""

from collections.abc import Callable
from typing import Any

from factorattn.catalogue import Score
from factorattn.contract import check, working_precision
from factorattn.score.engine import features_of

__all__ = ["kernel"]

INPUTS = "q: ... n d, k: ... m d"


@Score(inputs=INPUTS, time="n*m*d", memory="n*m", paper="choromanski2021")
def kernel(q: Any, k: Any, *, features: str | Callable = "elu_plus_one") -> Any:
    """Inner product of features of query and key.

    Parameters
    ----------
    q : array, shape (..., n, d)
    k : array, shape (..., m, d)
        Queries and keys; batch axes broadcast.
    features : {"elu_plus_one", "relu", "exp", "identity"} or callable
        The map phi, by name or as a function from an array (..., n, d) to one (..., n, r), the same for both.

    Returns
    -------
    a : array, shape (..., n, m), result dtype of the inputs

    References
    ----------
    Choromanski et al., "Rethinking Attention with Performers", 2021, section 2. arXiv:2009.14794
    """
    xp, _ = check(INPUTS, q=q, k=k)
    dtype, (q, k) = working_precision(q, k, xp=xp)
    a = features_of(q, features, "features", xp=xp) @ features_of(k, features, "features", xp=xp).mT
    return xp.astype(a, dtype, copy=False)
