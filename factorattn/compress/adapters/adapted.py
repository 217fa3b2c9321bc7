"""A trained matrix with a few new parameters beside it: what every adapter returns.

    F = W + D,    D made of the arrays in `trainable`; W stays as it is

Weights are (p, q) = (out, in): a column x (q) goes to F x (p), rows x to x @ F.mT, as with torch.nn.Linear.weight.
"""

import math
from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import array_api_compat
import numpy as np

from factorattn.factor.factored import Factored, Product, Sum
from factorattn.factor.factored.base import dense, entries_of, flops_of
from factorattn.scalars import generator

__all__ = ["Adapted", "Added", "LoRA", "Scaled"]


@dataclass(frozen=True, eq=False, repr=False)
class Scaled(Factored):
    """scale * factor, for a number and a matrix."""

    factor: Any
    scale: float

    @property
    def shape(self) -> tuple[int, ...]:
        """(..., p, q)."""
        return tuple(self.factor.shape)

    @property
    def mT(self) -> "Scaled":
        """The multiple of the transpose."""
        return Scaled(self.factor.mT, self.scale)

    @property
    def flops(self) -> int:
        """Those of the factor, and a multiplication for each row."""
        return flops_of(self.factor) + math.prod(self.shape[:-1])

    def matmat(self, x: Any) -> Any:
        """The multiple of the product with x (..., q, c): (..., p, c)."""
        return self.scale * (self.factor @ x)

    def to_dense(self) -> Any:
        """The multiple, written out."""
        return self.scale * dense(self.factor)

    def _take(self, index: Any) -> Any:
        """Rows by their numbers."""
        return self.scale * self.factor.rows(index)


@dataclass(frozen=True, eq=False, repr=False)
class Adapted(Factored):
    """Frozen weights w (..., p, q) and what is trained beside them. A kind of it names the arrays that are trained.

    Nothing is ever written into w: merging gives a new array, and the adapter stays as it was.
    """

    w: Any

    trains: ClassVar[tuple[str, ...]] = ()  # names of the arrays that are trained

    @abstractmethod
    def unmerge(self, merged: Any) -> Any:
        """Take the adapter out of an array (..., p, q) that `merge` gave: the weights w, to rounding.

        Raises
        ------
        ValueError
            If the shape is not that of the adapter.
        """

    def merge(self, dtype: Any = None) -> Any:
        """One array (..., p, q) that does what w and the adapter do, at the cost of w alone.

        In `dtype`, or in that of the adapter. In a dtype of fewer digits the sum is rounded, and what `unmerge` gives
        back is w to that rounding only.
        """
        merged = self.to_dense()
        return merged if dtype is None else self.__array_namespace__().astype(merged, dtype, copy=False)

    @property
    def trainable(self) -> dict[str, Any]:
        """The arrays that are trained, by name."""
        return {name: getattr(self, name) for name in self.trains}

    @property
    def frozen(self) -> dict[str, Any]:
        """All other arrays, by name: w, and what is drawn once and kept."""
        kept = {name: getattr(self, name) for name in self._names() if name not in self.trains}
        return {name: x for name, x in kept.items() if array_api_compat.is_array_api_obj(x)}

    @property
    def trainable_parameters(self) -> int:
        """How many numbers are trained."""
        return sum(entries_of(x) for x in self.trainable.values())

    def trained(self, **arrays: Any) -> Self:
        """The same adapter with other trained arrays, as after a step of training.

        Raises
        ------
        ValueError
            If a name is not one of `trainable`, or a shape is not that of the array it replaces.
        """
        for name, x in arrays.items():
            if name not in self.trains:
                raise ValueError(f"{type(self).__name__} trains {', '.join(self.trains)}; got {name!r}")
            want = tuple(getattr(self, name).shape)
            if tuple(x.shape) != want:
                raise ValueError(f"{name} must have shape {want}, got {tuple(x.shape)}")
        return replace(self, **arrays)

    @property
    def shape(self) -> tuple[int, ...]:
        """(..., p, q)."""
        return tuple(self.w.shape)

    def _full(self, merged: Any) -> Any:
        """A merged array, in no fewer digits than the adapter has."""
        if tuple(merged.shape) != self.shape:
            raise ValueError(f"merged must have shape {self.shape}, got {tuple(merged.shape)}")
        xp = self.__array_namespace__()
        return xp.astype(merged, xp.result_type(merged, self.w), copy=False)


@dataclass(frozen=True, eq=False, repr=False)
class Added(Adapted):
    """W + D for a difference D that is trained. A kind of it gives `update`."""

    @property
    @abstractmethod
    def update(self) -> Factored:
        """D, the matrix that is added to w."""

    @property
    def mT(self) -> Factored:
        """The transpose, factored."""
        return self._sum.mT

    @property
    def flops(self) -> int:
        """Operations of one product with a vector, without merging."""
        return self._sum.flops

    def matmat(self, x: Any) -> Any:
        """W x + D x for the columns of x (..., q, c): (..., p, c)."""
        return self._sum.matmat(x)

    def to_dense(self) -> Any:
        """W + D, written out."""
        return self.w + dense(self.update)

    def unmerge(self, merged: Any) -> Any:
        """W again, from a merged array (..., p, q): D is subtracted."""
        return self._full(merged) - dense(self.update)

    def _take(self, index: Any) -> Any:
        """Rows by their numbers."""
        return self._sum.rows(index)

    @property
    def _sum(self) -> Sum:
        return Sum((self.w, self.update))


@dataclass(frozen=True, eq=False, repr=False)
class LoRA(Added):
    """w + scale b a, for b (..., p, r) and a (..., r, q)."""

    b: Any
    a: Any
    scale: float

    trains: ClassVar[tuple[str, ...]] = ("b", "a")

    @property
    def update(self) -> Scaled:
        """The scaled product b a, of rank at most r."""
        return Scaled(Product((self.b, self.a)), self.scale)


def uniform(shape: tuple[int, ...], *, gain: float, rng: Any, like: Any, xp: Any) -> Any:
    """Draw a matrix (..., p, q) of independent uniform entries of variance gain^2 / q (He et al. 2015), like an array.

    The default of torch.nn.Linear, its ``kaiming_uniform_(a=sqrt(5))``, has gain 1/sqrt(3): between -+1/sqrt(q).
    """
    bound = math.sqrt(3) * gain / math.sqrt(max(shape[-1], 1))
    return put(generator(rng).uniform(-bound, bound, size=shape), like=like, xp=xp)


def put(drawn: np.ndarray, *, like: Any, xp: Any) -> Any:
    """A NumPy array as one of the library, dtype and device of another."""
    return xp.asarray(drawn, dtype=like.dtype, device=array_api_compat.device(like))


LINEAR_GAIN = 1 / math.sqrt(3)
