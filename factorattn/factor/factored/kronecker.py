"""Kronecker products, never written out.

(B (x) C)_(i x + k, j y + l) = B_ij C_kl        (B (x) C) vec(X) = vec(B X C^T)        for C (x, y), rows of X first
"""

from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np

from factorattn.factor.factored.base import Factored, dense, flops_of, rows_of

__all__ = ["Kronecker"]


@dataclass(frozen=True, eq=False, repr=False)
class Kronecker(Factored):
    """The Kronecker product F_1 (x) F_2 (x) ... of `factors`, arrays or factored; the last one's index runs fastest.

    Products with vectors see the vector as an array with an axis for each factor, and multiply axis by axis, in the
    order that takes the fewest operations.
    """

    factors: tuple[Any, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """(..., p, q), the products of all rows and of all columns."""
        batch = np.broadcast_shapes(*(tuple(f.shape)[:-2] for f in self.factors))
        return (*batch, int(np.prod(self._rows)), int(np.prod(self._columns)))

    @property
    def mT(self) -> "Kronecker":
        """The Kronecker product of the transposes."""
        return Kronecker(tuple(f.mT for f in self.factors), error_bound=self.error_bound)

    @property
    def flops(self) -> int:
        """Operations of one product with a vector."""
        sizes, each = self._columns, 0
        for i in self._order():
            before, after = sizes[:i], sizes[i + 1 :]
            each += self._cost(i) * int(np.prod(before + after))
            sizes = (*before, self._rows[i], *after)
        return each * int(np.prod(self.shape[:-2]))

    def matmat(self, x: Any) -> Any:
        """F x: (..., q, c) to (..., p, c)."""
        xp = self.__array_namespace__()
        c, k = x.shape[-1], len(self.factors)
        x = xp.reshape(x, (*x.shape[:-2], *self._columns, c))  # an axis for each factor
        for i in self._order():
            x = xp.moveaxis(x, i - k - 1, -k - 1)
            others = x.shape[-k:]
            x = self.factors[i] @ xp.reshape(x, (*x.shape[: -k - 1], x.shape[-k - 1], int(np.prod(others))))
            x = xp.moveaxis(xp.reshape(x, (*x.shape[:-1], *others)), -k - 1, i - k - 1)
        return xp.reshape(x, (*x.shape[: -k - 1], self.shape[-2], c))

    def to_dense(self) -> Any:
        """The matrix itself."""
        out, *others = map(dense, self.factors)
        for f in others:
            out = self._joined(out[..., :, None, :, None] * f[..., None, :, None, :], 2)
        return out

    def _take(self, index: Any) -> Any:
        """Rows by their numbers: Kronecker products of rows of the factors, whose numbers are digits of `index`."""
        below = list(accumulate(self._rows[:0:-1], lambda a, b: a * b, initial=1))[::-1]
        picked = [rows_of(f, index // step % n) for f, n, step in zip(self.factors, self._rows, below, strict=True)]
        out, *others = picked
        for f in others:
            out = self._joined(out[..., :, :, None] * f[..., :, None, :], 1)
        return out

    @property
    def _rows(self) -> tuple[int, ...]:
        return tuple(f.shape[-2] for f in self.factors)

    @property
    def _columns(self) -> tuple[int, ...]:
        return tuple(f.shape[-1] for f in self.factors)

    def _joined(self, x: Any, pairs: int) -> Any:
        """The last axes of x, two and two made one."""
        sizes = [x.shape[2 * i - 2 * pairs] * x.shape[2 * i + 1 - 2 * pairs] for i in range(pairs)]
        return self.__array_namespace__().reshape(x, (*x.shape[: -2 * pairs], *sizes))

    def _cost(self, i: int) -> int:
        """Operations of one product with factor i, of one member of its batch."""
        batch = int(np.prod(tuple(self.factors[i].shape)[:-2]))
        return flops_of(self.factors[i]) // max(batch, 1)

    def _order(self) -> list[int]:
        """Which axis comes first: the one that shrinks the array most for its cost.

        With c operations per number, i goes before j where c_i + (p_i / q_i) c_j < c_j + (p_j / q_j) c_i. That is an
        order of (1 - p / q) / c, so sorting finds the cheapest of all orders.
        """

        def worth(i: int) -> float:
            p, q = self._rows[i], self._columns[i]
            return (p - q) / max(self._cost(i), 1)

        return sorted(range(len(self.factors)), key=worth)
