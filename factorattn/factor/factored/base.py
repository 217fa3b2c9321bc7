"""A matrix held as factors: what every factorization returns, and what stands wherever a weight matrix does.

    F @ x = F x for columns x,    y @ F = y F for rows y,    x @ F.mT: rows of x, each mapped by F

Kinds of it say how the factors make the matrix: a product, a sum, a Kronecker product, blocks, a convolution. Each is a
frozen dataclass whose fields are arrays, numbers, further factored matrices, or tuples of these.
"""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, Self

import array_api_compat

__all__ = ["Factored", "dense", "entries_of", "flops_of", "rows_of", "times"]


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Factored(ABC):
    """A matrix (..., p, q) that is not held entry by entry; batch axes come first.

    A kind gives `shape`, `mT`, `flops` and `matmat`. All else follows from these.

    Parameters
    ----------
    error_bound : array, shape (...), optional
        What is known of the distance of this matrix from the one that was factored: no more than this, in the
        Frobenius norm, and therefore in the spectral norm too, up to rounding. None if nothing is known.

    Notes
    -----
    ``x @ F.mT`` is defined for arrays x of NumPy, CuPy, torch and other libraries that leave a product to the object
    they do not know; array_api_strict refuses, and `times` is for it, too.
    """

    error_bound: Any = dataclasses.field(default=None, kw_only=True)

    __array_ufunc__ = None  # NumPy and CuPy leave x @ F to F
    __factored__ = True  # how a contract tells it from an array

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """(..., p, q)."""

    @property
    @abstractmethod
    def mT(self) -> "Factored":
        """The transpose, factored; its entries are not conjugated."""

    @property
    @abstractmethod
    def flops(self) -> int:
        """Operations of one product with a vector; a multiplication and an addition are two, batches multiply.

        Of complex factors they are operations on complex numbers, save where a transform does the work.
        """

    @abstractmethod
    def matmat(self, x: Any) -> Any:
        """F x for the columns of x (..., q, c): (..., p, c)."""

    def matvec(self, x: Any) -> Any:
        """F x for a vector x (..., q): (..., p)."""
        return self.matmat(x[..., None])[..., 0]

    def rmatmat(self, y: Any) -> Any:
        """The adjoint (conjugate transpose) of F times the columns of y (..., p, c): (..., q, c)."""
        return self.mT.conj().matmat(y)

    def rmatvec(self, y: Any) -> Any:
        """The adjoint of F times a vector y (..., p): (..., q)."""
        return self.rmatmat(y[..., None])[..., 0]

    def to_dense(self) -> Any:
        """The matrix itself, an array (..., p, q)."""
        xp = self.__array_namespace__()
        return self.matmat(xp.eye(self.shape[-1], dtype=self.dtype, device=self.device))

    def rows(self, index: Any) -> Any:
        """Rows of the matrix by their numbers, as of an embedding: index (n,) gives (..., n, q).

        Raises
        ------
        IndexError
            If a number is not one of 0 ... p - 1. An index without values (counted, or traced) is not looked at.
        """
        _in_range(index, self.shape[-2], xp=self.__array_namespace__())
        return self._take(index)

    def _take(self, index: Any) -> Any:
        """The rows, by numbers that are in range; kinds know better ways."""
        xp = self.__array_namespace__()
        eye = xp.eye(self.shape[-2], dtype=self.dtype, device=self.device)
        return self.mT.matmat(xp.take(eye, index, axis=0).mT).mT

    @property
    def parameters(self) -> int:
        """How many numbers are kept; those in indices do not count."""
        return sum(_numbers_in(value) for value in self._parts())

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays that are kept, indices among them."""
        return sum(entries_of(x) * _itemsize(x) for x in self.arrays())

    def arrays(self) -> Iterator[Any]:
        """All arrays that are kept, those of inner factors too."""
        for value in self._parts():
            yield from _arrays_in(value)

    def map(self, change: Callable[[Any], Any]) -> Self:
        """The same kind with every array of numbers changed; indices stay. Nothing is known of its error."""
        changed = {name: _mapped(value, change) for name, value in zip(self._names(), self._parts(), strict=True)}
        return dataclasses.replace(self, **changed, error_bound=None)

    def astype(self, dtype: Any) -> Self:
        """The same with all arrays of numbers in another dtype."""
        xp = self.__array_namespace__()
        return self._bounded(self.map(lambda x: xp.astype(x, dtype, copy=False)))

    def conj(self) -> Self:
        """The complex conjugate; of a real matrix, itself."""
        xp = self.__array_namespace__()
        return self._bounded(self.map(xp.conj)) if xp.isdtype(self.dtype, "complex floating") else self

    @property
    def ndim(self) -> int:
        """Number of axes, those of the batch too."""
        return len(self.shape)

    @property
    def dtype(self) -> Any:
        """The dtype of the matrix; the library's own choice where nothing but indices is kept."""
        xp = self.__array_namespace__()
        return xp.result_type(*([x for x in self.arrays() if not _whole(x)] or [xp.empty(0)]))

    @property
    def device(self) -> Any:
        """Where the arrays are."""
        return array_api_compat.device(next(self.arrays()))

    def __array_namespace__(self, api_version: str | None = None) -> Any:
        return array_api_compat.array_namespace(*self.arrays())

    def __matmul__(self, x: Any) -> Any:
        return self.matvec(x) if x.ndim == 1 else self.matmat(x)

    def __rmatmul__(self, y: Any) -> Any:
        return self.mT.matvec(y) if y.ndim == 1 else self.mT.matmat(y.mT).mT

    def __repr__(self) -> str:
        return f"{type(self).__name__}(shape={self.shape}, parameters={self.parameters})"

    def _bounded(self, other: Self) -> Self:
        """The other with the error bound of this one."""
        return dataclasses.replace(other, error_bound=self.error_bound)

    def _names(self) -> list[str]:
        return [field.name for field in dataclasses.fields(self) if field.name != "error_bound"]

    def _parts(self) -> list[Any]:
        return [getattr(self, name) for name in self._names()]


def times(x: Any, f: Any) -> Any:
    """The product x @ f of rows x and a matrix f, an array or factored; also where a library refuses factors."""
    return f.__rmatmul__(x) if isinstance(f, Factored) else x @ f


def dense(f: Any) -> Any:
    """The array itself, or the matrix that factors make."""
    return f.to_dense() if isinstance(f, Factored) else f


def rows_of(f: Any, index: Any) -> Any:
    """Rows by their numbers, of an array or a factored matrix."""
    if isinstance(f, Factored):
        return f.rows(index)
    return array_api_compat.array_namespace(f).take(f, index, axis=-2)


def entries_of(x: Any) -> int:
    """How many entries an array has; of a factored matrix, how many numbers it keeps."""
    if isinstance(x, Factored):
        return x.parameters
    count = 1
    for length in x.shape:
        count *= length
    return count


def flops_of(x: Any) -> int:
    """Operations of a product of x, an array or a factored matrix, with one vector."""
    return x.flops if isinstance(x, Factored) else 2 * entries_of(x)


def _in_range(index: Any, p: int, *, xp: Any) -> None:
    if 0 in index.shape:
        return
    try:
        int(xp.reshape(index, (-1,))[0])
    except TypeError:
        return
    least, most = int(xp.min(index)), int(xp.max(index))
    if least < 0 or most >= p:
        raise IndexError(f"row numbers must be 0 .. {p - 1}, got {least if least < 0 else most}")


def _arrays_in(value: Any) -> Iterator[Any]:
    if isinstance(value, Factored):
        yield from value.arrays()
    elif isinstance(value, tuple):
        for part in value:
            yield from _arrays_in(part)
    elif array_api_compat.is_array_api_obj(value):
        yield value


def _numbers_in(value: Any) -> int:
    if isinstance(value, tuple):
        return sum(_numbers_in(part) for part in value)
    counts = isinstance(value, Factored) or (array_api_compat.is_array_api_obj(value) and not _whole(value))
    return entries_of(value) if counts else 0


def _mapped(value: Any, change: Callable[[Any], Any]) -> Any:
    if isinstance(value, Factored):
        return value.map(change)
    if isinstance(value, tuple):
        return tuple(_mapped(part, change) for part in value)
    return change(value) if array_api_compat.is_array_api_obj(value) and not _whole(value) else value


def _whole(x: Any) -> bool:
    """Whether an array holds indices, not numbers."""
    return array_api_compat.array_namespace(x).isdtype(x.dtype, "integral")


def _itemsize(x: Any) -> int:
    xp = array_api_compat.array_namespace(x)
    if xp.isdtype(x.dtype, "integral"):
        return xp.iinfo(x.dtype).bits // 8
    bits = xp.finfo(x.dtype).bits  # of the real part, in a complex number
    return bits // (4 if xp.isdtype(x.dtype, "complex floating") else 8)
