"""Products and sums of matrices, each an array or factored itself.

F = F_1 F_2 ... F_k        F = F_1 + F_2 + ... + F_k        F = G G^H
"""

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from factorattn.factor.factored.base import Factored, dense, flops_of, rows_of, times

__all__ = ["SVD", "Chain", "Diagonal", "Gram", "Permutation", "Product", "Sum"]


@dataclass(frozen=True, eq=False, repr=False)
class Chain(Factored):
    """A product of matrices, which a kind of it gives names to."""

    @property
    @abstractmethod
    def chain(self) -> tuple[Any, ...]:
        """The factors from left to right, arrays or factored."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(..., p, q)."""
        batch = np.broadcast_shapes(*(tuple(f.shape)[:-2] for f in self.chain))
        return (*batch, self.chain[0].shape[-2], self.chain[-1].shape[-1])

    @property
    def mT(self) -> "Chain":
        """The product of the transposes from right to left."""
        return Product(tuple(f.mT for f in reversed(self.chain)), error_bound=self.error_bound)

    @property
    def flops(self) -> int:
        """Operations of one product with a vector; a factor counts once for each member that those after it have."""
        batch, count = (), 0
        for f in reversed(self.chain):
            own = tuple(f.shape)[:-2]
            batch = np.broadcast_shapes(batch, own)
            count += flops_of(f) * math.prod(batch) // max(math.prod(own), 1)
        return count

    def matmat(self, x: Any) -> Any:
        """F x, from the right: (..., q, c) to (..., p, c)."""
        for f in reversed(self.chain):
            x = f @ x
        return x

    def to_dense(self) -> Any:
        """The product, written out from the end that is an array; of two, from that with fewer entries."""
        xp, chain = self.__array_namespace__(), self.chain
        ends = [isinstance(f, Factored) for f in (chain[0], chain[-1])]
        if ends[0] < ends[1] or (ends[0] == ends[1] and self.shape[-2] <= self.shape[-1]):
            out = xp.astype(dense(chain[0]), self.dtype, copy=False)
            for f in chain[1:]:
                out = times(out, f)
            return out
        out = xp.astype(dense(chain[-1]), self.dtype, copy=False)
        for f in reversed(chain[:-1]):
            out = f @ out
        return out

    def _take(self, index: Any) -> Any:
        """Rows by their numbers: of the first factor that mixes rows, times all others."""
        xp, chain, scale = self.__array_namespace__(), list(self.chain), None
        while len(chain) > 1 and isinstance(chain[0], Diagonal | Permutation):
            first = chain.pop(0)
            if isinstance(first, Permutation):
                index = xp.take(first.order, index)
            else:
                own = xp.take(first.d, index, axis=-1)[..., None]  # (..., n, 1)
                scale = own if scale is None else scale * own
        out = xp.astype(rows_of(chain[0], index), self.dtype, copy=False)
        for f in chain[1:]:
            out = times(out, f)
        return out if scale is None else scale * out


@dataclass(frozen=True, eq=False, repr=False)
class Product(Chain):
    """The product of `factors`, from left to right."""

    factors: tuple[Any, ...]

    @property
    def chain(self) -> tuple[Any, ...]:
        """The factors."""
        return self.factors


@dataclass(frozen=True, eq=False, repr=False)
class SVD(Chain):
    """u diag(s) vt, with orthonormal columns of u (..., p, r) and rows of vt (..., r, q), and s (..., r) falling."""

    u: Any
    s: Any
    vt: Any

    @property
    def chain(self) -> tuple[Any, ...]:
        """U, diag(s) and V^H."""
        return (self.u, Diagonal(self.s), self.vt)

    @property
    def mT(self) -> "SVD":
        """The decomposition of the transpose."""
        return SVD(self.vt.mT, self.s, self.u.mT, error_bound=self.error_bound)

    def two_factors(self) -> Product:
        """The same as two matrices, (u sqrt(s)) (sqrt(s) vt): r (p + q) numbers, and factors of one norm."""
        xp = self.__array_namespace__()
        root = xp.sqrt(self.s)
        return Product((self.u * root[..., None, :], root[..., :, None] * self.vt), error_bound=self.error_bound)


@dataclass(frozen=True, eq=False, repr=False)
class Gram(Chain):
    """g g^H for g (..., p, r): positive semidefinite, of rank at most r."""

    g: Any

    @property
    def chain(self) -> tuple[Any, ...]:
        """G and its adjoint, which share their memory where they are real."""
        xp = self.__array_namespace__()
        return (self.g, xp.conj(self.g.mT) if xp.isdtype(self.g.dtype, "complex floating") else self.g.mT)


@dataclass(frozen=True, eq=False, repr=False)
class Sum(Factored):
    """The sum of `terms` of one shape."""

    terms: tuple[Any, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """(..., p, q)."""
        return np.broadcast_shapes(*(tuple(term.shape) for term in self.terms))

    @property
    def mT(self) -> "Sum":
        """The sum of the transposes."""
        return Sum(tuple(term.mT for term in self.terms), error_bound=self.error_bound)

    @property
    def flops(self) -> int:
        """Operations of one product with a vector."""
        *_, p, _ = self.shape
        batch = int(np.prod(self.shape[:-2]))
        return sum(flops_of(term) for term in self.terms) + (len(self.terms) - 1) * batch * p

    def matmat(self, x: Any) -> Any:
        """The sum of the products with x (..., q, c): (..., p, c)."""
        first, *rest = (term @ x for term in self.terms)
        for term in rest:
            first = first + term
        return first

    def to_dense(self) -> Any:
        """The sum, written out."""
        first, *rest = (dense(term) for term in self.terms)
        for term in rest:
            first = first + term
        return first

    def _take(self, index: Any) -> Any:
        """Rows by their numbers."""
        first, *rest = (rows_of(term, index) for term in self.terms)
        for term in rest:
            first = first + term
        return first


@dataclass(frozen=True, eq=False, repr=False)
class Diagonal(Factored):
    """diag(d) for d (..., p)."""

    d: Any

    @property
    def shape(self) -> tuple[int, ...]:
        """(..., p, p)."""
        return (*self.d.shape, self.d.shape[-1])

    @property
    def mT(self) -> "Diagonal":
        """Itself."""
        return self

    @property
    def flops(self) -> int:
        """One multiplication an entry."""
        return int(np.prod(self.d.shape))

    def matmat(self, x: Any) -> Any:
        """Rows of x times entries of d."""
        return self.d[..., :, None] * x


@dataclass(frozen=True, eq=False, repr=False)
class Permutation(Factored):
    """The matrix P with (P x)_i = x_(order_i), for integers order (p,): each of 0 .. p - 1 once.

    It keeps no numbers, only indices; a product with it costs no operation.
    """

    order: Any

    @property
    def shape(self) -> tuple[int, ...]:
        """(p, p)."""
        return (self.order.shape[0], self.order.shape[0])

    @property
    def mT(self) -> "Permutation":
        """The inverse."""
        xp = self.__array_namespace__()
        return Permutation(xp.argsort(self.order))

    @property
    def flops(self) -> int:
        """None."""
        return 0

    def matmat(self, x: Any) -> Any:
        """The rows of x in another order."""
        return self.__array_namespace__().take(x, self.order, axis=-2)
