"""Tensors and position tables held as factors: sums of outer products, a core with a matrix for each mode, two axes.

    CP           T[i_1, ..., i_d] = sum over s of  w_s A_1[i_1, s] ... A_d[i_d, s]
    Tucker       T = G x_1 U_1 x_2 U_2 ... x_d U_d
    AxialTable   E[y i + j] = (E1[i], E2[j])   or   E1[i] + E2[j]

Trains are in `trains`.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from factorattn.factor.factored.base import Factored
from factorattn.factor.factored.trains import TensorTrain, TensorTrainMatrix
from factorattn.factor.factored.unfolding import Unfolding, digits, mode_product

__all__ = ["CP", "AxialTable", "TensorTrain", "TensorTrainMatrix", "Tucker"]


@dataclass(frozen=True, eq=False, repr=False)
class CP(Unfolding):
    """A sum of outer products of the columns of `factors` (n_k, r), times `weights` (r,).

    Parameters
    ----------
    sweeps : int
        Rounds of the iteration that made it.
    """

    weights: Any
    factors: tuple[Any, ...]
    sweeps: int = 0

    @property
    def modes(self) -> tuple[int, ...]:
        """Length of each axis of the tensor."""
        return tuple(f.shape[0] for f in self.factors)

    @property
    def mT(self) -> "CP":
        """The same factors, those of the columns first."""
        k = self.row_modes
        return replace(self, factors=self.factors[k:] + self.factors[:k], row_modes=len(self.factors) - k)

    @property
    def flops(self) -> int:
        """Operations of one product with a vector."""
        r = self.weights.shape[0]
        left, right = self.modes[: self.row_modes], self.modes[self.row_modes :]
        into = 2 * r * sum(math.prod(right[:k]) for k in range(1, len(right) + 1))
        out = r * sum(math.prod(left[:k]) for k in range(1, len(left))) + 2 * r * math.prod(left)
        return into + r + out

    def to_tensor(self) -> Any:
        """The tensor itself, an array with one axis for each mode."""
        xp = self.__array_namespace__()
        return xp.reshape(self._out(self.weights[None, :], self.factors, xp), self.modes)

    def _take(self, index: Any) -> Any:
        """Rows by their numbers: rows of the factors of the rows, times the others."""
        xp, k = self.__array_namespace__(), self.row_modes
        z = self.weights
        for f, at in zip(self.factors[:k], digits(index, self.modes[:k]), strict=True):
            z = z * xp.take(f, at, axis=0)  # (n, r)
        return self._out(z, self.factors[k:], xp)

    def _map(self, x, xp):
        k = self.row_modes
        return self._out(self._into(x, self.factors[k:], xp) * self.weights, self.factors[:k], xp)

    @staticmethod
    def _into(x, factors, xp):
        """Rows x (b, n_1 ... n_l) times the factors, one mode after the other from the last: (b, r)."""
        b, lengths = x.shape[0], tuple(f.shape[0] for f in factors)
        *others, last = factors
        z = xp.reshape(x, (b * math.prod(lengths[:-1]), lengths[-1])) @ last
        for k in reversed(range(len(others))):
            z = xp.reshape(z, (b * math.prod(lengths[:k]), lengths[k], last.shape[1]))
            z = xp.sum(z * others[k], axis=1)  # (b n_1 ... n_{k-1}, r)
        return z

    @staticmethod
    def _out(z, factors, xp):
        """Rows z (b, r) times the factors: (b, n_1 ... n_l)."""
        b, made = z.shape[0], 1
        *others, last = factors
        for f in others:
            made *= f.shape[0]
            z = xp.reshape(z[:, None, :] * f, (b * made, f.shape[1]))
        return xp.reshape(z @ last.mT, (b, made * last.shape[0]))


@dataclass(frozen=True, eq=False, repr=False)
class Tucker(Unfolding):
    """A `core` (r_1, ..., r_d) with each mode multiplied by one of `factors` (n_k, r_k)."""

    core: Any
    factors: tuple[Any, ...]

    @property
    def modes(self) -> tuple[int, ...]:
        """Length of each axis of the tensor."""
        return tuple(f.shape[0] for f in self.factors)

    @property
    def ranks(self) -> tuple[int, ...]:
        """r_1, ..., r_d."""
        return tuple(self.core.shape)

    @property
    def mT(self) -> "Tucker":
        """The same factors and core, the modes of the columns first."""
        xp, k, d = self.__array_namespace__(), self.row_modes, len(self.factors)
        core = xp.permute_dims(self.core, (*range(k, d), *range(k)))
        return replace(self, core=core, factors=self.factors[k:] + self.factors[:k], row_modes=d - k)

    @property
    def flops(self) -> int:
        """Operations of one product with a vector: into the core's columns, through it, and out of its rows."""
        k, n, r = self.row_modes, self.modes, self.ranks
        into = sum(2 * math.prod(n[k : j + 1]) * math.prod(r[j:]) for j in range(k, len(n)))
        out = sum(2 * math.prod(r[: j + 1]) * math.prod(n[j:k]) for j in range(k))
        return into + 2 * math.prod(r) + out

    def to_tensor(self) -> Any:
        """The tensor itself, an array with one axis for each mode."""
        return _multiplied(self.core, self.factors, xp=self.__array_namespace__())

    def _take(self, index: Any) -> Any:
        """Rows by their numbers: rows of the factors of the rows, times the core and the others."""
        xp, k, n = self.__array_namespace__(), self.row_modes, index.shape[0]
        picked = [xp.take(f, at, axis=0) for f, at in zip(self.factors[:k], digits(index, self.modes[:k]), strict=True)]
        z = picked[0]
        for other in picked[1:]:
            z = xp.reshape(z[:, :, None] * other[:, None, :], (n, z.shape[1] * other.shape[1]))
        rows = z @ self._unfolded(xp)  # (n, r_{k+1} ... r_d)
        out = _multiplied(xp.reshape(rows, (n, *self.ranks[k:])), (None, *self.factors[k:]), xp=xp)
        return xp.reshape(out, (n, self.shape[1]))

    def _map(self, x, xp):
        k, b = self.row_modes, x.shape[0]
        t = xp.reshape(x, (b, *self.modes[k:]))
        t = _multiplied(t, (None, *(f.mT for f in self.factors[k:])), xp=xp)
        z = xp.reshape(t, (b, math.prod(self.ranks[k:]))) @ self._unfolded(xp).mT
        out = _multiplied(xp.reshape(z, (b, *self.ranks[:k])), (None, *self.factors[:k]), xp=xp)
        return xp.reshape(out, (b, self.shape[0]))

    def _unfolded(self, xp):
        k = self.row_modes
        return xp.reshape(self.core, (math.prod(self.ranks[:k]), math.prod(self.ranks[k:])))


def _multiplied(t, matrices, *, xp):
    """The tensor t with each axis multiplied by its matrix, from the last; by none for None."""
    for axis in reversed(range(len(matrices))):
        if matrices[axis] is not None:
            t = mode_product(t, matrices[axis], axis, xp=xp)
    return t


@dataclass(frozen=True, eq=False, repr=False)
class AxialTable(Factored):
    """A table for x rows and y columns of a grid, row by row, of `e_1` (..., x, f) and `e_2` (..., y, g).

    Parameters
    ----------
    combine : {"concat", "sum"}
        Whether a position has both vectors, one after the other, or their sum.
    transposed : bool
        Whether it is the transpose of the table.
    """

    e_1: Any
    e_2: Any
    combine: str = "concat"
    transposed: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """(..., x y, f + g), or (..., x y, f) for the sum; the last two exchanged for the transpose."""
        *batch, x, y, f, g = self._sizes
        table = (x * y, f + g if self.combine == "concat" else f)
        return (*batch, *(reversed(table) if self.transposed else table))

    @property
    def mT(self) -> "AxialTable":
        """The same two tables."""
        return replace(self, transposed=not self.transposed)

    @property
    def flops(self) -> int:
        """Operations of one product with a vector: of both tables with their part of it, and the sums that meet."""
        *batch, x, y, f, g = self._sizes
        meet = x * y if not self.transposed else 2 * x * y + (f if self.combine == "sum" else 0)
        return math.prod(batch) * (2 * x * f + 2 * y * g + meet)

    def matmat(self, x: Any) -> Any:
        """F x for the columns of x (..., q, c): (..., p, c)."""
        xp = self.__array_namespace__()
        *_, rows, columns, f, _ = self._sizes
        *batch, q, c = x.shape
        if q != self.shape[-1]:
            raise ValueError(f"x needs {self.shape[-1]} rows, got shape {tuple(x.shape)}")
        if self.transposed:
            grid = xp.reshape(x, (*batch, rows, columns, c))
            first, second = self.e_1.mT @ xp.sum(grid, axis=-2), self.e_2.mT @ xp.sum(grid, axis=-3)
            if self.combine == "sum":
                return first + second
            batch = np.broadcast_shapes(first.shape[:-2], second.shape[:-2])
            return xp.concat([xp.broadcast_to(z, (*batch, *z.shape[-2:])) for z in (first, second)], axis=-2)
        concat = self.combine == "concat"
        first = self.e_1 @ (x[..., :f, :] if concat else x)  # (..., x, c)
        second = self.e_2 @ (x[..., f:, :] if concat else x)  # (..., y, c)
        grid = first[..., :, None, :] + second[..., None, :, :]
        return xp.reshape(grid, (*grid.shape[:-3], rows * columns, c))

    def to_dense(self) -> Any:
        """The table itself."""
        *_, x, y, _, _ = self._sizes
        xp = self.__array_namespace__()
        table = self._table(xp.arange(x * y, device=self.device), xp)
        return table.mT if self.transposed else table

    def _take(self, index: Any) -> Any:
        """Rows by their numbers, as of an embedding: index (n,) gives (..., n, d)."""
        return super()._take(index) if self.transposed else self._table(index, self.__array_namespace__())

    @property
    def _sizes(self):
        """Batch axes, x, y, f and g."""
        (*one, x, f), (*two, y, g) = self.e_1.shape, self.e_2.shape
        return (*np.broadcast_shapes(tuple(one), tuple(two)), x, y, f, g)

    def _table(self, index, xp):
        *batch, x, y, _, _ = self._sizes
        first, second = (
            xp.take(e, at, axis=-2) for e, at in zip((self.e_1, self.e_2), digits(index, (x, y)), strict=True)
        )
        if self.combine == "sum":
            return first + second
        return xp.concat([xp.broadcast_to(e, (*batch, *e.shape[-2:])) for e in (first, second)], axis=-1)
