"""Matrices that are convolutions: a product with a vector is three Fourier transforms.

Toeplitz   T_ij = t_(i - j)            T x = the first p entries of the cyclic convolution of t and x, padded
circulant  C_ij = c_((i - j) mod n)    C = F^-1 diag(F c) F        for the DFT matrix F
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from factorattn.factor.factored.base import Factored

__all__ = ["Circulant", "Toeplitz"]


@dataclass(frozen=True, eq=False, repr=False)
class Toeplitz(Factored):
    """A matrix that is constant along each diagonal, by its first column (..., p) and first row (..., q).

    The corner is in both; that of the column is read, as in `scipy.linalg.toeplitz`, and `parameters` counts it once.
    Products cost O((p + q) log(p + q)) operations. Their rounding errors are small beside the norms of matrix and
    vector, not beside each entry of the result; and NaN or infinity in one entry of a vector is in all of the result.
    """

    column: Any
    row: Any

    @property
    def shape(self) -> tuple[int, ...]:
        """(..., p, q)."""
        return (*self.column.shape, self.row.shape[-1])

    @property
    def mT(self) -> "Toeplitz":
        """Row and column change places."""
        if 0 in self.shape[-2:]:
            return Toeplitz(self.row, self.column, error_bound=self.error_bound)
        row = self.__array_namespace__().concat([self.column[..., :1], self.row[..., 1:]], axis=-1)
        return Toeplitz(row, self.column, error_bound=self.error_bound)

    @property
    def parameters(self) -> int:
        """Diagonals: p + q - 1 for each matrix."""
        *batch, p, q = self.shape
        return int(np.prod(batch)) * (p + q - 1 if p * q else 0)

    @property
    def diagonals(self) -> Any:
        """Their entries t (..., p + q - 1), from the upper right corner t_(1 - q) to the lower left t_(p - 1)."""
        xp = self.__array_namespace__()
        return xp.concat([xp.flip(self.row[..., 1:], axis=-1), self.column], axis=-1)

    @property
    def flops(self) -> int:
        """Operations of one product with a vector; 5 n log2(n) for a Fourier transform, half of it for a real one."""
        *batch, p, q = self.shape
        length = _smooth(p + q - 1) if p * q else 0
        return int(np.prod(batch)) * _convolution_flops(length, self)

    def matmat(self, x: Any) -> Any:
        """T x: (..., q, c) to (..., p, c)."""
        xp = self.__array_namespace__()
        p, q = self.shape[-2:]
        if 0 in (*self.shape, *x.shape):
            return _nothing(self, x, xp=xp)
        length = _smooth(p + q - 1)
        middle = xp.zeros((*self.column.shape[:-1], length - (p + q - 1)), dtype=self.dtype, device=self.device)
        kernel = xp.concat([self.column, middle, xp.flip(self.row[..., 1:], axis=-1)], axis=-1)
        return _cyclic(kernel, x, length, xp=xp)[..., :p, :]

    def to_dense(self) -> Any:
        """The matrix itself, entries exact."""
        xp = self.__array_namespace__()
        return self._take(xp.arange(self.shape[-2], device=self.device))

    def _take(self, index: Any) -> Any:
        """Rows by their numbers: q successive diagonals each."""
        xp = self.__array_namespace__()
        p, q = self.shape[-2:]
        if p * q == 0:
            return xp.zeros((*self.shape[:-2], index.shape[0], q), dtype=self.dtype, device=self.device)
        lag = index[:, None] - xp.arange(q, device=self.device)[None, :] + (q - 1)
        return _gathered(self.diagonals, lag, xp=xp)


@dataclass(frozen=True, eq=False, repr=False)
class Circulant(Factored):
    """A square matrix whose columns are the first one (..., n), moved down round the end.

    Its eigenvectors are those of all circulants, the columns of the inverse DFT matrix.
    """

    column: Any

    @property
    def shape(self) -> tuple[int, ...]:
        """(..., n, n)."""
        return (*self.column.shape, self.column.shape[-1])

    @property
    def mT(self) -> "Circulant":
        """The circulant of the first row."""
        if self.shape[-1] == 0:
            return self
        xp, first, rest = self.__array_namespace__(), self.column[..., :1], self.column[..., 1:]
        return Circulant(xp.concat([first, xp.flip(rest, axis=-1)], axis=-1), error_bound=self.error_bound)

    @property
    def eigenvalues(self) -> Any:
        """The DFT of the first column, complex (..., n); the k-th belongs to the vector exp(2 pi i j k / n) over j."""
        xp = self.__array_namespace__()
        return xp.fft.fft(xp.astype(self.column, xp.result_type(self.dtype, xp.complex64), copy=False), axis=-1)

    @property
    def flops(self) -> int:
        """Operations of one product with a vector."""
        *batch, n, _ = self.shape
        return int(np.prod(batch)) * _convolution_flops(n, self)

    def matmat(self, x: Any) -> Any:
        """C x: (..., n, c) to (..., n, c)."""
        xp, n = self.__array_namespace__(), self.shape[-1]
        return _nothing(self, x, xp=xp) if 0 in (*self.shape, *x.shape) else _cyclic(self.column, x, n, xp=xp)

    def to_dense(self) -> Any:
        """The matrix itself, entries exact."""
        xp = self.__array_namespace__()
        return self._take(xp.arange(self.shape[-1], device=self.device))

    def _take(self, index: Any) -> Any:
        """Rows by their numbers."""
        xp, n = self.__array_namespace__(), self.shape[-1]
        lag = index[:, None] - xp.arange(n, device=self.device)[None, :]
        return _gathered(self.column, xp.where(lag < 0, lag + n, lag), xp=xp)


def _cyclic(kernel, x, length, *, xp):
    """The cyclic convolution of kernel (..., length) with the columns of x (..., q, c), padded to that length."""
    dtype = xp.result_type(kernel, x)
    if xp.isdtype(dtype, "complex floating"):
        kernel, x = xp.astype(kernel, dtype, copy=False), xp.astype(x, dtype, copy=False)
        spectrum = xp.fft.fft(kernel, axis=-1)[..., None] * xp.fft.fft(x, n=length, axis=-2)
        return xp.fft.ifft(spectrum, axis=-2)
    kernel, x = xp.astype(kernel, dtype, copy=False), xp.astype(x, dtype, copy=False)
    spectrum = xp.fft.rfft(kernel, axis=-1)[..., None] * xp.fft.rfft(x, n=length, axis=-2)
    return xp.fft.irfft(spectrum, n=length, axis=-2)


def _convolution_flops(length, f):
    """Three transforms, and a multiplication of complex numbers (6 operations) for each frequency."""
    if length == 0:
        return 0
    kept = 2 if f.__array_namespace__().isdtype(f.dtype, "complex floating") else 1
    frequencies = length if kept == 2 else length // 2 + 1
    return 3 * math.ceil(2.5 * kept * length * math.log2(length)) + 6 * frequencies


def _smooth(n):
    """The least length from n on that is a power of two times 1, 3, 5, 9 or 15: transforms of these are fast."""
    return min(odd * 2 ** max(0, math.ceil(math.log2(n / odd))) for odd in (1, 3, 5, 9, 15))


def _gathered(values, index, *, xp):
    """Entries of values (..., n) by numbers index (rows, columns): (..., rows, columns)."""
    flat = xp.take(values, xp.reshape(index, (-1,)), axis=-1)
    return xp.reshape(flat, (*values.shape[:-1], *index.shape))


def _nothing(f, x, *, xp):
    batch = np.broadcast_shapes(f.shape[:-2], tuple(x.shape)[:-2])
    return xp.zeros((*batch, f.shape[-2], x.shape[-1]), dtype=xp.result_type(f.dtype, x.dtype), device=f.device)
