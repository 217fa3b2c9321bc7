"""The nearest Monarch matrix (Dao et al. 2022).

    M = (P L P^T) R,   M_(i1 i2, j1 j2) = sum over t of L^(i2)_(i1, j1 t) R^(j1)_(t i2, j2)

for block-diagonal L and R, and P the exchange of digits: row number i = i1 l + i2, column number j = j1 y + j2.
For each pair (i2, j1) the entries of M over i1 and j2 are a block of rank r, and the blocks share no entry: the
truncated SVD of each block of A gives the nearest M.
"""

from typing import Any

from factorattn.catalogue import Factorization
from factorattn.factor.door import admit, frobenius
from factorattn.factor.factored import Monarch
from factorattn.factor.lowrank.truncated_svd import leading_triplets
from factorattn.factor.structured.sizes import divides, near_square

__all__ = ["monarch"]

INPUTS = "a: ... p q, rank = r"


@Factorization(
    inputs=INPUTS, time="p**(5/4)*q**(5/4)", memory="p*q", exact="form", optimal=True, paper="dao2022monarch"
)
def monarch(a: Any, rank: int = 1, *, blocks: tuple[int, int] | None = None) -> Monarch:
    """Factor a matrix into two block-diagonal ones with a permutation between them.

    Parameters
    ----------
    a : array, shape (..., p, q)
        Real or complex.
    rank : int
        The rank r of each block: 1 in the paper. All that is needed to give `a` itself is min(p/l, q/k).
    blocks : tuple of int (l, k), optional
        Number of blocks of L, which divides p, and of R, which divides q. By default the divisors nearest to the
        square roots, from below.

    Returns
    -------
    m : Monarch
        ``left`` (..., l, p/l, k r) and ``right`` (..., k, r l, q/k), whose rows have norm one. ``error_bound`` is the
        error itself, from the singular values left out.

    Raises
    ------
    ValueError
        If l does not divide p or k does not divide q, `rank` is not positive, or `a` holds NaN or infinity.
    TypeError
        If `a` is not a floating array.

    Notes
    -----
    r (k p + l q) numbers: 2 n^(3/2) for a square matrix with n^(1/2) blocks and r = 1. The class is not closed under
    transposition, so the nearest matrix to the transpose is another. The DFT matrix is one after a permutation of its
    columns: column j1 + k j2 moves to place j1 y + j2. Costs l k SVDs of p/l by q/k: n^(5/2)
    operations for a square matrix in blocks of the square root, for which cost is declared.

    References
    ----------
    Dao, Chen, Sohoni, Desai, Poli, Grogan, Liu, Rao, Rudra and Re, "Monarch: expressive structured matrices for
    efficient and accurate training", 2022. arXiv:2204.00595, Theorem 1.
    """
    xp, size, (a,) = admit(INPUTS, a=a, rank=rank)
    p, q = size["p"], size["q"]
    l, k = _blocks(blocks, p, q)
    x, y = p // l, q // k
    *batch, _, _ = a.shape
    axes = (*range(len(batch)), *(len(batch) + at for at in (1, 2, 0, 3)))
    apart = xp.permute_dims(xp.reshape(a, (*batch, x, l, k, y)), axes)  # (..., l, k, x, y)
    u, s, vt = leading_triplets(apart, min(x, y), xp=xp)
    r = min(size["r"], s.shape[-1])
    left = u[..., :r] * s[..., None, :r]  # (..., l, k, x, r)
    left = xp.reshape(xp.moveaxis(left, -3, -2), (*batch, l, x, k * r))
    right = xp.reshape(xp.permute_dims(vt[..., :r, :], axes), (*batch, k, r * l, y))
    left_out = xp.reshape(s[..., r:], (*batch, l * k, s.shape[-1] - r))
    return Monarch(left, right, error_bound=frobenius(left_out, xp=xp))


def _blocks(blocks, p, q):
    if blocks is None:
        return near_square(p), near_square(q)
    try:
        l, k = blocks
    except (TypeError, ValueError):
        raise ValueError(f"blocks must be two integers, got {blocks!r}") from None
    return divides(p, "rows", **{"blocks[0]": l}), divides(q, "columns", **{"blocks[1]": k})
