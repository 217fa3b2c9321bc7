"""A matrix of which most entries are zero."""

from dataclasses import dataclass
from typing import Any

from factorattn.factor.factored.base import Factored, entries_of

__all__ = ["Sparse"]


@dataclass(frozen=True, eq=False, repr=False)
class Sparse(Factored):
    """A matrix with few entries that are not zero, held as an array `x` (..., p, q) with its zeros.

    `parameters` counts the entries that are not zero, which is what a sparse format would keep beside their places; it
    reads the values. `flops` and `nbytes` are those of the array, zeros included: that is what runs, and what is held.
    """

    x: Any

    @property
    def shape(self) -> tuple[int, ...]:
        """(..., p, q)."""
        return tuple(self.x.shape)

    @property
    def mT(self) -> "Sparse":
        """The transpose."""
        return Sparse(self.x.mT, error_bound=self.error_bound)

    @property
    def flops(self) -> int:
        """Those of a dense product."""
        return 2 * entries_of(self.x)

    @property
    def parameters(self) -> int:
        """How many entries are not zero."""
        xp = self.__array_namespace__()
        return int(xp.sum(xp.astype(self.x != 0, xp.int64)))

    def matmat(self, x: Any) -> Any:
        """The product with the columns of x (..., q, c): (..., p, c)."""
        return self.x @ x

    def to_dense(self) -> Any:
        """The array."""
        return self.x

    def _take(self, index: Any) -> Any:
        """Rows by their numbers."""
        return self.__array_namespace__().take(self.x, index, axis=-2)
