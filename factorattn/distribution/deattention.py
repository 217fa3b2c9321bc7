"""Compositional de-attention (Tay et al. 2019): weights that add, subtract or leave out, from two scores.

    p_ij = tanh(a_ij) g(b_ij),   b_ij <= 0
    g(b) = 2 sigmoid(b)  ("scale"),   g(b) = sigmoid(b - mean b)  ("centre"),   g(b) = sigmoid(b)  ("plain")

a tells how alike query and key are, b how unlike, as a negative distance: sigmoid(b) alone would never exceed 1/2.
"""

from typing import Any

from factorattn.catalogue import Distribution
from factorattn.contract import check, choose, working_precision
from factorattn.primitives.elementwise import sigmoid

__all__ = ["GATES", "deattention", "gated", "seen_sum"]

INPUTS = "a: ... n m, b: ... n m"


@Distribution(inputs=INPUTS, output="n m", time="n*m", memory="n*m", paper="tay2019")
def deattention(a: Any, b: Any, *, gate: str = "scale") -> Any:
    """Weights between -1 and 1 from affinities and negative distances.

    Parameters
    ----------
    a : array, shape (..., n, m)
        Affinities; -inf where a key is not seen.
    b : array, shape (..., n, m)
        Dissimilarities: negative distances.
    gate : {"scale", "centre", "plain"}
        How the sigmoid is made to reach from 0 to 1: by a factor of two, by taking from b its mean over all pairs of
        the matrix that are seen, or not at all: it then stays below 1/2.

    Returns
    -------
    p : array, shape (..., n, m), result dtype of the inputs
        The weights of a row do not sum to one. Zero where a is -inf.

    Notes
    -----
    With ``gate="centre"`` the weights of a query depend on all queries.

    References
    ----------
    Tay, Luu, Zhang, Wang and Hui, "Compositional De-Attention Networks", 2019.
    """
    xp, _ = check(INPUTS, a=a, b=b)
    factor, centred = choose(GATES, gate=gate)
    dtype, (a, b) = working_precision(a, b, xp=xp)
    mean = None
    if centred:
        total, pairs = seen_sum(a, b, xp=xp)
        mean = total / xp.where(pairs == 0, 1.0, pairs)
    return xp.astype(gated(a, b, mean, factor, xp=xp), dtype, copy=False)


def seen_sum(a: Any, b: Any, *, xp: Any) -> tuple[Any, Any]:
    """The sum of b over the pairs that are seen, and their number: (..., 1, 1)."""
    seen = a != -xp.inf
    total = xp.sum(xp.where(seen, b, 0.0), axis=(-2, -1), keepdims=True)
    return total, xp.sum(xp.astype(seen, b.dtype), axis=(-2, -1), keepdims=True)


def gated(a: Any, b: Any, mean: Any | None, factor: float, *, xp: Any) -> Any:
    """The weights (..., n, m): tanh(a) times factor sigmoid(b), with b taken from its mean where there is one."""
    seen = a != -xp.inf
    gate = factor * sigmoid(b if mean is None else b - mean, xp=xp)
    return xp.where(seen, xp.tanh(a) * gate, 0.0)


GATES = {"scale": (2.0, False), "centre": (1.0, True), "plain": (1.0, False)}  # a factor; whether centred
