"""Sigmoid: every key is weighed by itself (Ramapuram et al. 2024).

    p_j = 1 / (1 + exp(-(a_j + bias)))

The weights of a row do not sum to one; with a bias of -log m they do at the start of a training, about.
"""

from typing import Any

from factorattn.catalogue import Distribution
from factorattn.contract import check, working_precision
from factorattn.primitives import elementwise
from factorattn.scalars import real

__all__ = ["sigmoid"]

INPUTS = "a: ... m"


@Distribution(inputs=INPUTS, time="m", memory="m", paper="ramapuram2024")
def sigmoid(a: Any, *, bias: float = 0.0) -> Any:
    """Logistic sigmoid of each score.

    Parameters
    ----------
    a : array, shape (..., m)
        Scores; -inf where a key is not seen.
    bias : float
        Added to the scores. The paper takes minus the logarithm of the number of keys.

    Returns
    -------
    p : array, shape (..., m), dtype of `a`
        Between 0 and 1.

    References
    ----------
    Ramapuram et al., "Theory, Analysis, and Best Practices for Sigmoid Self-Attention", 2024. arXiv:2409.04431
    """
    xp, _ = check(INPUTS, a=a)
    dtype, (a,) = working_precision(a, xp=xp)
    return xp.astype(elementwise.sigmoid(a + real(bias=bias), xp=xp), dtype, copy=False)
