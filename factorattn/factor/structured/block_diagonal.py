"""The nearest block-diagonal matrix: the blocks as they are.

    D = diag(A_11, A_22, ..., A_bb),   |A - D|_F^2 = sum over i != j of |A_ij|_F^2

for the b by b blocks A_ij of A.
"""

import math
from typing import Any

from factorattn.catalogue import Factorization
from factorattn.factor.door import admit, frobenius
from factorattn.factor.factored import BlockDiagonal
from factorattn.factor.structured.sizes import divides, near_square

__all__ = ["block_diagonal"]

INPUTS = "a: ... p q"


@Factorization(inputs=INPUTS, time="p*q", memory="p*q", exact="form", optimal=True, paper="golub2013")
def block_diagonal(a: Any, *, blocks: int | None = None) -> BlockDiagonal:
    """Replace a matrix by its diagonal blocks.

    Parameters
    ----------
    a : array, shape (..., p, q)
        Real or complex.
    blocks : int, optional
        Number of blocks b, which divides p and q. By default the common divisor of p and q nearest to the square root
        of the greatest, from below.

    Returns
    -------
    d : BlockDiagonal
        ``blocks`` (..., b, p/b, q/b). ``error_bound`` is the error itself.

    Raises
    ------
    ValueError
        If `blocks` does not divide both sides, or `a` holds NaN or infinity.
    TypeError
        If `a` is not a floating array.

    Notes
    -----
    The rows and columns of a block are neighbours: where they are not what belongs together, permute them first.
    Where p and q have no common divisor the one block is all of the matrix.

    References
    ----------
    Golub and Van Loan, "Matrix Computations", 4th edition, 2013, section 1.3.
    """
    xp, size, (a,) = admit(INPUTS, a=a)
    p, q = size["p"], size["q"]
    common = math.gcd(p, q)
    b = near_square(common) if blocks is None else divides(common, "rows and columns in common", blocks=blocks)
    apart = xp.moveaxis(xp.reshape(a, (*a.shape[:-2], b, p // b, b, q // b)), -2, -3)  # (..., b, b, x, y)
    kept = xp.stack([apart[..., i, i, :, :] for i in range(b)], axis=-3)
    others = xp.eye(b, dtype=kept.dtype, device=a.device)[:, :, None, None]
    left_out = frobenius(xp.reshape(apart - apart * others, a.shape), xp=xp)
    return BlockDiagonal(kept, error_bound=left_out)
