"""The nearest Toeplitz matrix: each diagonal's mean.

    T_ij = t_(i - j),   t_k = mean of A_ij over i - j = k

The squared distance is a sum over diagonals, and a mean is what is nearest to all numbers of one in the least squares.
"""

from typing import Any

import numpy as np

from factorattn.catalogue import Factorization
from factorattn.factor.door import admit, frobenius
from factorattn.factor.factored import Toeplitz

__all__ = ["toeplitz"]

INPUTS = "a: ... p q"


@Factorization(inputs=INPUTS, time="p*q + q**2", memory="p*q + q**2", exact="form", optimal=True, paper="gray2006")
def toeplitz(a: Any) -> Toeplitz:
    """Replace a matrix by the nearest one that is constant along each diagonal.

    Parameters
    ----------
    a : array, shape (..., p, q)
        Real or complex.

    Returns
    -------
    t : Toeplitz
        p + q - 1 numbers; products with vectors by Fourier transforms. ``error_bound`` is the error itself.

    Raises
    ------
    ValueError
        If `a` has fewer than two axes or holds NaN or infinity.
    TypeError
        If `a` is not a floating array.

    Notes
    -----
    Nearest in the Frobenius norm, not in the spectral norm. A trained weight matrix has no diagonals that matter: there
    this is a baseline. Cost is declared for p >= q; else the two change places.

    References
    ----------
    Gray, "Toeplitz and circulant matrices: a review", Foundations and Trends in Communications and Information Theory
    2, 2006, pages 155-239.
    """
    xp, size, (a,) = admit(INPUTS, a=a)
    p, q = size["p"], size["q"]
    if p * q == 0:
        empty = [xp.zeros((*a.shape[:-2], n), dtype=a.dtype, device=a.device) for n in (p, q)]
        return Toeplitz(*empty, error_bound=frobenius(a, xp=xp))
    sums = _diagonal_sums(a, xp=xp) if p <= q else xp.flip(_diagonal_sums(a.mT, xp=xp), axis=-1)
    lags = np.arange(1 - q, p)
    lengths = np.minimum(p, q + lags) - np.maximum(0, lags)  # of the diagonals, from the upper right corner
    means = sums / xp.asarray(lengths, dtype=a.dtype, device=a.device)
    out = Toeplitz(means[..., q - 1 :], xp.flip(means[..., :q], axis=-1))
    return Toeplitz(out.column, out.row, error_bound=frobenius(a - out.to_dense(), xp=xp))


def _diagonal_sums(a, *, xp):
    """The sums over i - j = 1 - q, ..., p - 1 of a (..., p, q): (..., p + q - 1).

    Rows of p + q numbers, read as rows of one less, are moved one place each: what was on a diagonal of the rows in
    reverse order is then in a column.
    """
    *batch, p, q = a.shape
    padding = xp.zeros((*batch, p, p), dtype=a.dtype, device=a.device)
    flat = xp.reshape(xp.concat([xp.flip(a, axis=-2), padding], axis=-1), (*batch, p * (p + q)))
    moved = xp.reshape(flat[..., : p * (p + q - 1)], (*batch, p, p + q - 1))  # column j - i + p - 1
    return xp.flip(xp.sum(moved, axis=-2), axis=-1)
