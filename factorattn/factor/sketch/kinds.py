"""What sketches are made of: rows picked out, rows added up, a Walsh-Hadamard transform; and the product of these.

    Selection   (F x)_k = x_(index_k)
    Scatter     (F x)_b = sum over k with index_k = b of x_k       its transpose
    Hadamard    H = [1 1; 1 -1] kron ... kron [1 1; 1 -1]          entries +1 and -1; or blocks of it, I kron H

None of them keeps numbers, only indices.
"""

from dataclasses import dataclass
from typing import Any

import array_api_compat
import numpy as np

from factorattn.factor.factored import Chain, Factored
from factorattn.factor.sketch.hadamard_transform import transform_rows

__all__ = ["Hadamard", "Scatter", "Selection", "Sketch", "scatter"]


@dataclass(frozen=True, eq=False, repr=False)
class Sketch(Chain):
    """A random matrix (r, p), as the product of `factors` from left to right."""

    factors: tuple[Any, ...]

    @property
    def chain(self) -> tuple[Any, ...]:
        """The factors."""
        return self.factors

    @property
    def mT(self) -> "Sketch":
        """The product of the transposes from right to left."""
        return Sketch(tuple(f.mT for f in reversed(self.factors)), error_bound=self.error_bound)

    def matmat(self, x: Any) -> Any:
        """S x: (..., p, c) to (..., r, c)."""
        if x.shape[-2] != self.shape[-1]:
            raise ValueError(f"a sketch of shape {self.shape} needs {self.shape[-1]} rows, got shape {tuple(x.shape)}")
        return super().matmat(x)

    def to_dense(self) -> Any:
        """The matrix itself, an array (r, p)."""
        xp, (r, p) = self.__array_namespace__(), self.shape
        eye = xp.eye(min(r, p), dtype=self.dtype, device=self.device)
        return self.mT.matmat(eye).mT if r < p else self.matmat(eye)

    def _take(self, index: Any) -> Any:
        """Rows of the matrix by their numbers: index (n,) gives (n, p)."""
        return Factored._take(self, index)


@dataclass(frozen=True, eq=False, repr=False)
class _Indexed(Factored):
    """One nonzero entry, a one, for each k: in its row or column index_k.

    Parameters
    ----------
    index : array of integers, shape (m,)
        Numbers below p.
    rounds : tuple of (left, right, rest)
        What is added in each round to sum the rows of one number by a binary tree: row left_i and row right_i for each
        i; rows `rest` stay alone. Sums of the round come first, then the rest.
    place : array of integers, shape (p,)
        Where the sum for each number is after the last round; one behind the end where there is none.
    """

    index: Any
    rounds: tuple[tuple[Any, Any, Any], ...]
    place: Any


class Selection(_Indexed):
    """The matrix F (m, p) with (F x)_k = x_(index_k)."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(m, p)."""
        return (self.index.shape[0], self.place.shape[0])

    @property
    def mT(self) -> "Scatter":
        """Rows are added up where they came from."""
        return Scatter(self.index, self.rounds, self.place)

    @property
    def flops(self) -> int:
        """None."""
        return 0

    def matmat(self, x: Any) -> Any:
        """The rows of x (..., p, c) that are asked for: (..., m, c)."""
        return self.__array_namespace__().take(x, self.index, axis=-2)


class Scatter(_Indexed):
    """The matrix F (p, m) with (F x)_b the sum of those x_k that have index_k = b."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(p, m)."""
        return (self.place.shape[0], self.index.shape[0])

    @property
    def mT(self) -> Selection:
        """A row is handed back to each that was added into it."""
        return Selection(self.index, self.rounds, self.place)

    @property
    def flops(self) -> int:
        """One addition for each row that is added to another."""
        return sum(left.shape[0] for left, _, _ in self.rounds)

    def matmat(self, x: Any) -> Any:
        """The sums of rows of x (..., m, c): (..., p, c)."""
        xp = self.__array_namespace__()
        for left, right, rest in self.rounds:
            sums = xp.take(x, left, axis=-2) + xp.take(x, right, axis=-2)
            x = xp.concat([sums, xp.take(x, rest, axis=-2)], axis=-2)
        nothing = xp.zeros((*x.shape[:-2], 1, x.shape[-1]), dtype=x.dtype, device=array_api_compat.device(x))
        return xp.take(xp.concat([x, nothing], axis=-2), self.place, axis=-2)


@dataclass(frozen=True, eq=False, repr=False)
class Hadamard(Factored):
    """The Hadamard matrix of Sylvester (size, size), or several of them along the diagonal.

    Parameters
    ----------
    size : int
        A power of two.
    like : array, shape (0,)
        Tells the library, the dtype and the device.
    blocks : int
    """

    size: int
    like: Any
    blocks: int = 1

    @property
    def shape(self) -> tuple[int, ...]:
        """(blocks size, blocks size)."""
        return (self.blocks * self.size, self.blocks * self.size)

    @property
    def mT(self) -> "Hadamard":
        """Itself."""
        return self

    @property
    def flops(self) -> int:
        """One addition an entry in each of log2(size) steps."""
        return self.blocks * self.size * (self.size.bit_length() - 1)

    def matmat(self, x: Any) -> Any:
        """The fast transform of the columns of x (..., blocks size, c)."""
        xp, (*batch, n, c) = self.__array_namespace__(), x.shape
        return xp.reshape(transform_rows(xp.reshape(x, (*batch, self.blocks, self.size, c)), xp=xp), (*batch, n, c))


def scatter(index: np.ndarray, size: int, *, like: Any) -> Scatter:
    """The matrix (size, m) that adds row k to row index_k, on the device of `like`.

    The tree of additions is laid out here, on the host, where the indices were drawn. Sums are pairwise: their rounding
    grows with the logarithm of the number of terms, and they take one addition less than there are terms.
    """
    xp, device = array_api_compat.array_namespace(like), array_api_compat.device(like)
    number, at, rounds = *_sorted(index), []
    while True:
        follows = np.concatenate([[False], number[1:] == number[:-1]])[: number.size]  # its neighbour's number
        first = np.maximum.accumulate(np.where(follows, 0, np.arange(number.size)))
        even = (np.arange(number.size) - first) % 2 == 0
        paired = np.concatenate([follows[1:], [False]])[: number.size] & even
        if not paired.any():
            break
        left, rest = np.flatnonzero(paired), np.flatnonzero(even & ~paired)
        rounds.append((at[left], at[left + 1], at[rest]))
        number, at = _sorted(np.concatenate([number[left], number[rest]]))
    found = np.searchsorted(number, np.arange(size))
    held = np.append(number, size)[found] == np.arange(size)
    place = np.where(held, np.append(at, 0)[found], number.size)
    layout = [tuple(xp.asarray(part, dtype=xp.int64, device=device) for part in one) for one in rounds]
    index, place = (xp.asarray(x, dtype=xp.int64, device=device) for x in (index, place))
    return Scatter(index, tuple(layout), place)


def _sorted(number: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The numbers in order, and where each of them is."""
    at = np.argsort(number, kind="stable")
    return number[at], at
