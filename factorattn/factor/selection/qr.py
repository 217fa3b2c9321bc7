"""The QR factorization.

    A = Q R,   Q^H Q = I,   R upper triangular

Columns of Q are those of A made orthonormal, one after the other.
"""

from typing import Any

from factorattn.catalogue import Factorization
from factorattn.factor.door import admit
from factorattn.factor.selection.kinds import QR

__all__ = ["qr"]

INPUTS = "a: ... p q"


@Factorization(inputs=INPUTS, time="p*q**2 + q**3", memory="p*q + q**2", exact="always", paper="golub2013")
def qr(a: Any) -> QR:
    """Factor a matrix into orthonormal columns and a triangle.

    Parameters
    ----------
    a : array, shape (..., p, q)
        Real or complex.

    Returns
    -------
    qr : QR
        q (..., p, k) and r (..., k, q), k = min(p, q). ``error_bound`` is zero: rounding alone is left.

    Raises
    ------
    ValueError
        If `a` has fewer than two axes or holds NaN or infinity.
    TypeError
        If `a` is not a floating array.

    Notes
    -----
    Cost is declared for p >= q. Signs of the diagonal of R are those of the library. ``scipy.linalg.qr`` returns the
    whole square Q unless ``mode="economic"`` is asked for.

    References
    ----------
    Golub and Van Loan, "Matrix Computations", 4th edition, 2013, section 5.2.
    """
    xp, _, (a,) = admit(INPUTS, a=a)
    q, r = xp.linalg.qr(a)
    return QR(q, r, error_bound=xp.zeros(a.shape[:-2], dtype=xp.abs(a[..., :0, :0]).dtype, device=a.device))
