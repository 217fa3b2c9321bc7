"""Compositional de-attention (Tay et al. 2019): weights that add, subtract or leave out, from two scores.

    p_ij = tanh(a_ij) g(b_ij),   b_ij <= 0
    g(b) = 2 sigmoid(b)  ("scale"),   g(b) = sigmoid(b - mean b)  ("centre")

a tells how alike query and key are, b how unlike, as a negative distance: sigmoid(b) alone would never exceed 1/2.
"""

from typing import Any

from factorattn.catalogue import Distribution
from factorattn.contract import check, choose, working_precision

__all__ = ["deattention"]

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
    gate : {"scale", "centre"}
        How the sigmoid is made to reach from 0 to 1: by a factor of two, or by taking from b its mean over all pairs
        of the matrix that are seen.

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
    gate_of = choose(GATES, gate=gate)
    dtype, (a, b) = working_precision(a, b, xp=xp)
    seen = a != -xp.inf
    b = xp.where(seen, b, 0.0)
    p = xp.tanh(a) * gate_of(b, seen, xp=xp)
    return xp.astype(xp.where(seen, p, 0.0), dtype, copy=False)


def _scale(b, seen, *, xp):
    return 2.0 * _sigmoid(b, xp=xp)


def _centre(b, seen, *, xp):
    pairs = xp.sum(xp.astype(seen, b.dtype), axis=(-2, -1), keepdims=True)  # (..., 1, 1)
    mean = xp.sum(b, axis=(-2, -1), keepdims=True) / xp.where(pairs == 0, 1.0, pairs)
    return _sigmoid(b - mean, xp=xp)


def _sigmoid(x, *, xp):
    small = xp.exp(-xp.abs(x))  # never overflows
    return xp.where(x < 0, small, 1.0) / (1.0 + small)


GATES = {"scale": _scale, "centre": _centre}
