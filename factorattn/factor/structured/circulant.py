"""The nearest circulant matrix (T. Chan 1988).

    C_ij = c_((i - j) mod p),   c_k = mean of A_ij over i - j = k mod p,   C = F^-1 diag(F c) F

for the DFT matrix F.
The eigenvalues are the diagonal of F A F^-1: what is left out is what the Fourier basis does not diagonalise.
"""

from typing import Any

from factorattn.catalogue import Factorization
from factorattn.factor.door import admit, frobenius
from factorattn.factor.factored import Circulant

__all__ = ["circulant"]

INPUTS = "a: ... p p"


@Factorization(
    inputs=INPUTS,
    output="p p",
    time="p**2",
    memory="p**2",
    exact="form",
    optimal=True,
    needs="square",
    paper="chan1988",
)
def circulant(a: Any) -> Circulant:
    """Replace a square matrix by the nearest circulant one.

    Parameters
    ----------
    a : array, shape (..., p, p)
        Real or complex.

    Returns
    -------
    c : Circulant
        p numbers; products with vectors by Fourier transforms. ``error_bound`` is the error itself.

    Raises
    ------
    ValueError
        If `a` is not square or holds NaN or infinity.
    TypeError
        If `a` is not a floating array.

    Notes
    -----
    Nearest in the Frobenius norm. For a Toeplitz matrix it is T. Chan's preconditioner. It keeps symmetry and positive
    definiteness.

    References
    ----------
    T. Chan, "An optimal circulant preconditioner for Toeplitz systems", SIAM Journal on Scientific and Statistical
    Computing 9, 1988.
    """
    xp, size, (a,) = admit(INPUTS, a=a)
    p = size["p"]
    i = xp.arange(p, device=a.device)
    lag = i[None, :] - i[:, None]
    places = i[None, :] * p + xp.where(lag < 0, lag + p, lag)  # in row k, those of all (i, j) with i - j = k mod p
    flat = xp.reshape(a, (*a.shape[:-2], p * p))
    wrapped = xp.reshape(xp.take(flat, xp.reshape(places, (-1,)), axis=-1), a.shape)
    column = xp.sum(wrapped, axis=-1) / max(p, 1)
    out = Circulant(column)
    return Circulant(column, error_bound=frobenius(a - out.to_dense(), xp=xp))
