"""The interpolative decomposition: all columns of a matrix as combinations of a few of them.

    A ~ A_:J Z,   Z_:J = I,   Z_:rest = R_11^-1 R_12,   |A - A_:J Z|_F = |R_22|_F

The columns J are the pivots of a rank-revealing QR factorization (Cheng, Gimbutas, Martinsson and Rokhlin 2005).
"""

from typing import Any

from factorattn.catalogue import Factorization
from factorattn.factor.door import admit, unit_scale
from factorattn.factor.selection.kinds import Interpolative
from factorattn.factor.selection.pieces import columns_of
from factorattn.factor.selection.rrqr import revealed
from factorattn.factor.selection.strong import coefficients, factor_of

__all__ = ["interpolative"]

INPUTS = "a: ... p q, rank = r"


@Factorization(
    inputs=INPUTS,
    time="p*q*r + p*r**2 + q*r**2 + r**3",
    memory="p*q + p*r + q*r + r**2",
    exact="rank",
    lowrank=True,
    paper="cheng2005",
)
def interpolative(a: Any, rank: int, *, strong: float | None = None) -> Interpolative:
    """Factor a matrix into a few of its columns and the coefficients of all others in them.

    Parameters
    ----------
    a : array, shape (..., p, q)
        Real or complex. For a few of its rows, factor the transpose.
    rank : int
        Number of columns r; min(p, q) or more takes all that there can be.
    strong : float above 1, optional
        No coefficient is larger than this. The number of swaps that see to it depends on the values. Left out, columns
        are the pivots alone, and coefficients as a rule small.

    Returns
    -------
    id : Interpolative
        c (..., p, k), which is ``a[:, column_index]`` bit for bit, z (..., k, q) and column_index (..., k).
        ``error_bound`` is the error itself, from the triangle.

    Raises
    ------
    ValueError
        If `a` has fewer than two axes or holds NaN or infinity, `rank` is not a positive integer, or `strong` is not
        above 1.
    TypeError
        If `a` is not a floating array or `strong` not a real number.

    Notes
    -----
    A column that adds nothing but rounding to those before it has coefficients zero. ``scipy.linalg.interpolative``
    returns the order and R_11^-1 R_12 alone, and has no bound on its entries.

    References
    ----------
    Cheng, Gimbutas, Martinsson and Rokhlin, "On the compression of low rank matrices", SIAM Journal on Scientific
    Computing 26, 2005, pages 1389-1404.
    """
    xp, size, (a,) = admit(INPUTS, a=a, rank=rank)
    scale = unit_scale(a, xp=xp)  # (..., 1, 1)
    _, triangle, order, rest = revealed(a / scale, size["r"], factor_of(strong=strong), xp=xp)
    k = triangle.shape[-2]
    t, left_out = coefficients(triangle, k, xp=xp)  # (..., k, q - k)
    eye = xp.broadcast_to(xp.eye(k, dtype=a.dtype, device=a.device), (*t.shape[:-1], k))
    z = columns_of(xp.concat([eye, t], axis=-1), xp.argsort(order, axis=-1), xp=xp)
    columns = order[..., :k]
    error = xp.hypot(rest, left_out) * xp.astype(scale[..., 0, 0], rest.dtype)
    return Interpolative(columns_of(a, columns, xp=xp), z, columns, error_bound=error)
