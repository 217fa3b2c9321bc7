"""The truncated singular value decomposition: the nearest matrix of rank r (Eckart and Young 1936).

    A = U diag(s) V^H,   A_r = U_r diag(s_r) V_r^H,   |A - A_r|_F^2 = s_{r+1}^2 + s_{r+2}^2 + ...

No other matrix of rank r is nearer to A in the Frobenius norm, or in the spectral norm, where the error is s_{r+1}.
"""

from typing import Any

from factorattn.catalogue import Factorization
from factorattn.factor.door import admit
from factorattn.factor.factored import SVD
from factorattn.factor.lowrank.residual import left_out

__all__ = ["leading_triplets", "truncated_svd"]

INPUTS = "a: ... p q, rank = r"


@Factorization(
    inputs=INPUTS,
    time="p*q**2 + q**3",
    memory="p*q + q**2",
    exact="rank",
    lowrank=True,
    optimal=True,
    paper="eckart1936",
)
def truncated_svd(a: Any, rank: int) -> SVD:
    """Factor a matrix into its leading singular triplets.

    Parameters
    ----------
    a : array, shape (..., p, q)
        Real or complex.
    rank : int
        Number of triplets r; min(p, q) or more gives all of them.

    Returns
    -------
    svd : SVD
        u (..., p, r), s (..., r) and vt (..., r, q). ``error_bound`` is the error itself, from the singular values left
        out.

    Raises
    ------
    ValueError
        If `a` has fewer than two axes or holds NaN or infinity, or `rank` is not a positive integer.
    TypeError
        If `a` is not a floating array.

    Notes
    -----
    Cost is declared for p >= q; else the two change places. Signs of singular vectors are those of the library.

    References
    ----------
    Eckart and Young, "The approximation of one matrix by another of lower rank", Psychometrika 1, 1936, pages 211-218.
    """
    xp, size, (a,) = admit(INPUTS, a=a, rank=rank)
    u, s, vt = xp.linalg.svd(a, full_matrices=False)  # (..., p, k), (..., k), (..., k, q)
    return SVD(*_first(size["r"], u, s, vt), error_bound=left_out(s, size["r"], xp=xp))


def leading_triplets(a: Any, rank: int, *, xp: Any) -> tuple[Any, Any, Any]:
    """The `rank` leading singular triplets of a (..., p, q): u (..., p, rank), s (..., rank), vt (..., rank, q)."""
    return _first(rank, *xp.linalg.svd(a, full_matrices=False))


def _first(rank, u, s, vt):
    rank = min(rank, s.shape[-1])
    return u[..., :, :rank], s[..., :rank], vt[..., :rank, :]
