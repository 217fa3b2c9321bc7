"""Factored matrices some of whose factors are rows and columns of the matrix itself.

A ~ Q R,   A ~ A_:J Z,   A ~ A_:J U A_I:,   A ~ G G^H = A_:J (A_JJ)^+ A_:J^H
"""

from dataclasses import dataclass
from typing import Any

from factorattn.factor.factored import Chain, Gram, Product

__all__ = ["CUR", "QR", "Interpolative", "Nystrom", "PivotedQR"]


@dataclass(frozen=True, eq=False, repr=False)
class QR(Chain):
    """q r, with orthonormal columns of q (..., p, k) and an upper triangular r (..., k, q)."""

    q: Any
    r: Any

    @property
    def chain(self) -> tuple[Any, ...]:
        """Q and R."""
        return (self.q, self.r)


@dataclass(frozen=True, eq=False, repr=False)
class PivotedQR(QR):
    """q r, with orthonormal columns of q (..., p, k), and r (..., k, q) triangular once its columns are in `order`.

    order : integers (..., q), the columns that were taken, then the others.
    """

    order: Any

    @property
    def triangle(self) -> Any:
        """The columns of r in order: an upper triangular array (..., k, q), the R of A P = Q R."""
        return self.__array_namespace__().take_along_axis(self.r, self.order[..., None, :], axis=-1)


@dataclass(frozen=True, eq=False, repr=False)
class Interpolative(Chain):
    """c z, where c (..., p, k) is the columns `column_index` (..., k) of the matrix; those of z (..., k, q) are I."""

    c: Any
    z: Any
    column_index: Any

    @property
    def chain(self) -> tuple[Any, ...]:
        """C and Z."""
        return (self.c, self.z)


@dataclass(frozen=True, eq=False, repr=False)
class CUR(Chain):
    """c u r, where c (..., p, k) is the columns `column_index` of the matrix and r (..., k, q) its rows `row_index`.

    u : Product of (..., k, k) matrices. Written out as one, its large entries would cost the digits that the
    small ones of c and r hold.
    """

    c: Any
    u: Product
    r: Any
    row_index: Any
    column_index: Any

    @property
    def chain(self) -> tuple[Any, ...]:
        """C, U and R."""
        return (self.c, self.u, self.r)


@dataclass(frozen=True, eq=False, repr=False)
class Nystrom(Gram):
    """g g^H, g (..., p, k): a semidefinite matrix from its columns `landmarks` (..., k), None for a sketch."""

    landmarks: Any = None
