"""Gaussian kernel (Tsai et al. 2019), as its logarithm: softmax of it is kernel smoothing.

    a_ij = -|q_i - k_j|^2 / (2 sigma^2)

With softmax it is the estimator of Nadaraya and Watson: a mean of values, weighted by a Gaussian around the query.
"""

from typing import Any

from factorattn.catalogue import Score
from factorattn.contract import check, working_precision
from factorattn.scalars import positive
from factorattn.score.engine import distances, finite

__all__ = ["gaussian"]

INPUTS = "q: ... n d, k: ... m d"


@Score(inputs=INPUTS, time="n*m*d", memory="n*m", paper="tsai2019")
def gaussian(q: Any, k: Any, *, sigma: float = 1.0) -> Any:
    """Logarithm of the Gaussian kernel of query and key.

    Parameters
    ----------
    q : array, shape (..., n, d)
    k : array, shape (..., m, d)
        Queries and keys; batch axes broadcast.
    sigma : float
        Width of the kernel.

    Returns
    -------
    a : array, shape (..., n, m), result dtype of the inputs
        At most 0; -inf where the square overflows.

    References
    ----------
    Tsai et al., "Transformer Dissection: An Unified Understanding for Transformer's Attention via the Lens of Kernel",
    2019. arXiv:1908.11775
    """
    xp, _ = check(INPUTS, q=q, k=k)
    sigma = positive(sigma=sigma)
    dtype, (q, k) = working_precision(q, k, xp=xp)
    a = distances(q / sigma, k / sigma, power=2, xp=xp) * -0.5
    return xp.astype(finite(a, dtype, xp=xp), dtype, copy=False)
