"""Tensor trains, of a tensor and of a matrix: a product of small arrays, one for each mode.

    T[i_1, ..., i_d]              = G_1[i_1] G_2[i_2] ... G_d[i_d]            G_k[i]:    (r_{k-1}, r_k)
    F[i_1 ... i_d, j_1 ... j_d]   = G_1[i_1, j_1] ... G_d[i_d, j_d]           G_k[i, j]: (r_{k-1}, r_k)

with r_0 = r_d = 1. A product with a vector takes one core after the other, each in one product of matrices.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from factorattn.factor.factored.base import Factored
from factorattn.factor.factored.unfolding import Unfolding, digits

__all__ = ["TensorTrain", "TensorTrainMatrix"]


@dataclass(frozen=True, eq=False, repr=False)
class TensorTrain(Unfolding):
    """A train of `cores` (r_{k-1}, n_k, r_k), of which the first number the rows, or the columns if `transposed`."""

    cores: tuple[Any, ...]
    transposed: bool = False

    @property
    def modes(self) -> tuple[int, ...]:
        """Length of each axis of the tensor."""
        left, right = self._sides()
        return _lengths(right) + _lengths(left) if self.transposed else _lengths(left) + _lengths(right)

    @property
    def ranks(self) -> tuple[int, ...]:
        """r_1, ..., r_{d-1}, in the order of the cores."""
        return tuple(core.shape[2] for core in self.cores[:-1])

    @property
    def mT(self) -> "TensorTrain":
        """The same cores, with rows and columns exchanged."""
        return replace(self, transposed=not self.transposed, row_modes=len(self.cores) - self.row_modes)

    @property
    def flops(self) -> int:
        """Operations of one product with a vector: two for each number in a core and index of the modes beyond it."""
        left, right = self._sides()
        count = 0
        for side in (tuple(reversed(left)), right):
            beyond = 1
            for core in side:
                count += 2 * math.prod(core.shape) * beyond
                beyond *= core.shape[1]
        return count

    def to_tensor(self) -> Any:
        """The tensor itself, from the left."""
        xp = self.__array_namespace__()
        first, *others = self.cores
        whole = _out_right(others, first[0, ...], xp)  # (n_1, n_2 ... n_d)
        if self.transposed:
            p, q = self.shape
            whole = xp.reshape(whole, (q, p)).mT
        return xp.reshape(whole, self.modes)

    def _take(self, index: Any) -> Any:
        """Rows by their numbers: the matrices that an index picks from the cores of one side, times the other side."""
        xp, (left, right) = self.__array_namespace__(), self._sides()
        own = right if self.transposed else left
        first, *others = (
            xp.permute_dims(xp.take(core, at, axis=1), (1, 0, 2))  # (n, r_{k-1}, r_k)
            for core, at in zip(own, digits(index, _lengths(own)), strict=True)
        )
        for picked in others:
            first = first @ picked
        return _out_left(left, first[:, :, 0].mT, xp).mT if self.transposed else _out_right(right, first[:, 0, :], xp)

    def _map(self, x, xp):
        left, right = self._sides()
        if self.transposed:
            return _out_right(right, _into_left(left, x.mT, xp).mT, xp)
        return _out_left(left, _into_right(right, x, xp).mT, xp).mT

    def _sides(self):
        cut = len(self.cores) - self.row_modes if self.transposed else self.row_modes
        return self.cores[:cut], self.cores[cut:]


def _lengths(cores):
    return tuple(core.shape[1] for core in cores)


def _into_right(cores, x, xp):
    """Rows x (b, n_k ... n_d) times the cores from the last: (b, r_{k-1})."""
    b = x.shape[0]
    for k in reversed(range(len(cores))):
        r, n, s = cores[k].shape
        before = math.prod(_lengths(cores[:k])) * b
        x = xp.reshape(x, (before, n * s)) @ xp.reshape(cores[k], (r, n * s)).mT
    return x


def _out_right(cores, z, xp):
    """Rows z (b, r_{k-1}) times the cores from the first: (b, n_k ... n_d)."""
    b, before = z.shape[0], 1
    for core in cores:
        r, n, s = core.shape
        z = xp.reshape(z, (b * before, r)) @ xp.reshape(core, (r, n * s))
        before *= n
    return xp.reshape(z, (b, before))


def _into_left(cores, x, xp):
    """The cores from the first times columns x (n_1 ... n_k, b): (r_k, b)."""
    b = x.shape[1]
    for k, core in enumerate(cores):
        r, n, s = core.shape
        after = math.prod(_lengths(cores[k + 1 :])) * b
        x = xp.reshape(core, (r * n, s)).mT @ xp.reshape(x, (r * n, after))
    return x


def _out_left(cores, z, xp):
    """The cores from the last times columns z (r_k, b): (n_1 ... n_k, b)."""
    b, after = z.shape[1], 1
    for core in reversed(cores):
        r, n, s = core.shape
        z = xp.reshape(core, (r * n, s)) @ xp.reshape(z, (s, after * b))
        after *= n
    return xp.reshape(z, (after, b))


@dataclass(frozen=True, eq=False, repr=False)
class TensorTrainMatrix(Factored):
    """A matrix (..., p_1 ... p_d, q_1 ... q_d) as a train of `cores` (..., r_{k-1}, p_k, q_k, r_k)."""

    cores: tuple[Any, ...]

    @property
    def row_modes(self) -> tuple[int, ...]:
        """p_1, ..., p_d, the last fastest."""
        return tuple(core.shape[-3] for core in self.cores)

    @property
    def column_modes(self) -> tuple[int, ...]:
        """q_1, ..., q_d, the last fastest."""
        return tuple(core.shape[-2] for core in self.cores)

    @property
    def ranks(self) -> tuple[int, ...]:
        """r_1, ..., r_{d-1}."""
        return tuple(core.shape[-1] for core in self.cores[:-1])

    @property
    def shape(self) -> tuple[int, ...]:
        """(..., p, q)."""
        batch = np.broadcast_shapes(*(core.shape[:-4] for core in self.cores))
        return (*batch, math.prod(self.row_modes), math.prod(self.column_modes))

    @property
    def mT(self) -> "TensorTrainMatrix":
        """Each core with its two modes exchanged."""
        xp = self.__array_namespace__()
        return replace(self, cores=tuple(xp.moveaxis(core, -3, -2) for core in self.cores))

    @property
    def flops(self) -> int:
        """Operations of one product with a vector: two for each number in a core, q_i before it and p_i after it."""
        rows, columns = self.row_modes, self.column_modes
        return sum(
            2 * math.prod(core.shape) * math.prod(columns[:k]) * math.prod(rows[k + 1 :])
            for k, core in enumerate(self.cores)
        )

    def matmat(self, x: Any) -> Any:
        """F x for the columns of x (..., q, c), from the last core: (..., p, c)."""
        xp = self.__array_namespace__()
        *batch, rows, c = x.shape
        columns = self.column_modes
        if rows != math.prod(columns):
            raise ValueError(f"x needs {math.prod(columns)} rows, got shape {tuple(x.shape)}")
        made = 1  # of the row modes, those made so far: p_{k+1} ... p_d
        for k in reversed(range(len(columns))):
            *own, r, p, q, s = self.cores[k].shape
            rest = math.prod(columns[:k])
            x = xp.reshape(x, (*batch, s, made * rest, q, c))  # (..., r_k, p_{k+1} ... p_d q_1 ... q_{k-1}, q_k, c)
            x = xp.reshape(xp.moveaxis(x, -2, -4), (*batch, q * s, made * rest * c))
            x = xp.reshape(self.cores[k], (*own, r * p, q * s)) @ x
            batch, made = list(x.shape[:-2]), made * p
        return xp.reshape(x, (*batch, made, c))

    def to_dense(self) -> Any:
        """The matrix itself: the cores joined, then all row modes before all column modes."""
        xp, d = self.__array_namespace__(), len(self.cores)
        *batch, _, p, q, s = self.cores[0].shape
        out, made = xp.reshape(self.cores[0], (*batch, p * q, s)), p * q
        for core in self.cores[1:]:
            *own, r, p, q, s = core.shape
            out = xp.reshape(out, (*batch, made, r)) @ xp.reshape(core, (*own, r, p * q * s))
            batch, made = list(out.shape[:-2]), made * p * q
        pairs = [length for pair in zip(self.row_modes, self.column_modes, strict=True) for length in pair]
        n = len(batch)
        order = (*range(n), *range(n, n + 2 * d, 2), *range(n + 1, n + 2 * d, 2))
        return xp.reshape(xp.permute_dims(xp.reshape(out, (*batch, *pairs)), order), self.shape)

    def _take(self, index: Any) -> Any:
        """Rows by their numbers, as of an embedding: index (n,) gives (..., n, q), from one slice of each core."""
        xp, n = self.__array_namespace__(), index.shape[0]
        out, made = xp.ones((n, 1, 1), dtype=self.dtype, device=self.device), 1
        for core, at in zip(self.cores, digits(index, self.row_modes), strict=True):
            *own, r, _, q, s = core.shape
            picked = xp.moveaxis(xp.take(core, at, axis=-3), -3, -4)  # (..., n, r, q, s)
            out = xp.reshape(out, (*out.shape[:-3], n, made, r)) @ xp.reshape(picked, (*own, n, r, q * s))
            made *= q
        return xp.reshape(out, (*out.shape[:-3], n, made))
