"""Tensors read as matrices: the first modes number the rows, the others the columns, the last mode fastest.

    F[i, j] = T[i_1, ..., i_k, j_1, ..., j_l],   i = (i_1 n_2 + i_2) n_3 + ...,   j alike

Kinds of it say how the tensor is held; none ever writes it out, save in `to_tensor` and `to_dense`.
"""

import math
from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Any

from factorattn.factor.factored.base import Factored

__all__ = ["Unfolding", "digits", "mode_product"]


@dataclass(frozen=True, eq=False, repr=False)
class Unfolding(Factored):
    """A tensor as a matrix (p, q). A kind gives `modes`, `to_tensor`, `mT`, `flops` and `_map`.

    Parameters
    ----------
    row_modes : int
        How many of the modes number the rows.
    """

    row_modes: int = field(default=1, kw_only=True)

    @property
    @abstractmethod
    def modes(self) -> tuple[int, ...]:
        """Length of each axis of the tensor."""

    @abstractmethod
    def to_tensor(self) -> Any:
        """The tensor itself, an array with one axis for each mode."""

    @abstractmethod
    def _map(self, x: Any, xp: Any) -> Any:
        """F times each row of x (b, q): (b, p)."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(p, q)."""
        return math.prod(self.modes[: self.row_modes]), math.prod(self.modes[self.row_modes :])

    def matmat(self, x: Any) -> Any:
        """F x for the columns of x (..., q, c), factor by factor: (..., p, c)."""
        xp, (p, q) = self.__array_namespace__(), self.shape
        *batch, rows, c = x.shape
        if rows != q:
            raise ValueError(f"x needs {q} rows, got shape {tuple(x.shape)}")
        as_rows = xp.reshape(x.mT, (math.prod(batch) * c, q))
        return xp.reshape(self._map(as_rows, xp), (*batch, c, p)).mT

    def to_dense(self) -> Any:
        """The matrix itself, an array (p, q)."""
        return self.__array_namespace__().reshape(self.to_tensor(), self.shape)


def digits(index: Any, lengths: tuple[int, ...]) -> tuple[Any, ...]:
    """The index along each of several modes that one index (n,) over all stands for, the last mode fastest."""
    out = []
    for length in reversed(lengths):
        out.append(index % max(length, 1))
        index = index // max(length, 1)
    return tuple(reversed(out))


def mode_product(t: Any, matrix: Any, axis: int, *, xp: Any) -> Any:
    """The tensor t with its axis of length n multiplied by a matrix (j, n), which makes its length j."""
    before, n, after = t.shape[:axis], t.shape[axis], t.shape[axis + 1 :]
    if math.prod(after) == 1:  # one product instead of one for each index before
        out = xp.reshape(t, (math.prod(before), n)) @ matrix.mT
    else:
        out = matrix @ xp.reshape(t, (math.prod(before), n, math.prod(after)))
    return xp.reshape(out, (*before, matrix.shape[0], *after))
