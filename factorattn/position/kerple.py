"""KERPLE (Chi et al. 2022): logits fall with a learned kernel of distance, in every head.

    bias_hij = -r1_h log(1 + r2_h |i - j|)      logarithmic
    bias_hij = -r1_h |i - j|^r2_h               power; r2 = 1 is ALiBi

Both are conditionally positive definite kernels: up to a constant, which a softmax does not see, inner products.
"""

from typing import Any

from factorattn.catalogue import Position
from factorattn.contract import check, choose, working_precision
from factorattn.position.options import beside, distances, length

__all__ = ["kerple"]

SLOPES = "r_1: ... h, r_2: ... h"


@Position(inputs=f"{SLOPES}, n = n, m = m", output="h n m", time="h*n*m", memory="h*n*m", paper="chi2022")
def kerple(r_1: Any, r_2: Any, n: int, m: int, *, kernel: str = "logarithmic", offset: int | None = None) -> Any:
    """Bias that grows with distance, logarithmically or as a power: pass it as ``bias=``.

    Parameters
    ----------
    r_1, r_2 : array, shape (..., h)
        Two positive numbers for each head; r_2 is at most 2 for the power kernel. Not checked: no value is looked at.
    n, m : int
        Queries and keys.
    kernel : {"logarithmic", "power"}
    offset : int, optional
        The key that stands beside query 0, by default m - n: the last query beside the last key.

    Returns
    -------
    bias : array, shape (..., h, n, m), result dtype of the inputs

    Raises
    ------
    ValueError
        If shapes disagree, a size is negative, or `kernel` is unknown.
    TypeError
        If inputs are not floating arrays of one library.

    Notes
    -----
    The authors' code keeps both numbers above 0.01 while they are trained.

    References
    ----------
    Chi et al., "KERPLE: Kernelized Relative Positional Embedding for Length Extrapolation", 2022. arXiv:2205.09921
    """
    xp, _ = check(SLOPES, r_1=r_1, r_2=r_2)
    n, m, of = length("n", n), length("m", m), choose(KERNELS, kernel=kernel)
    dtype, (r_1, r_2) = working_precision(r_1, r_2, xp=xp)
    ahead = distances(n, m, beside(offset, n, m), device=r_1.device, xp=xp)
    far = xp.astype(xp.abs(ahead), r_1.dtype)  # (n, m)
    bias = -r_1[..., None, None] * of(far, r_2[..., None, None], xp=xp)  # (..., h, n, m)
    return xp.astype(bias, dtype, copy=False)


def _logarithmic(far, r, *, xp):
    return xp.log1p(r * far)


def _power(far, r, *, xp):
    return far**r


KERNELS = {"logarithmic": _logarithmic, "power": _power}
