"""One weight matrix for all heads, seen as a matrix of each: how a factored one goes into multi-head mechanisms.

    side "out"    matrix (h d, c), head i its rows i d ... (i + 1) d - 1:       seen as (h, d, c), as W^Q, W^K, W^V
    side "in"     matrix (c, h e), head i its columns i e ... (i + 1) e - 1:    seen as (h, c, e), as W^O

The heads share the factors: factored one by one, each would need factors of its own.
"""

import dataclasses
from typing import Any, Self

import array_api_compat

from factorattn.factor.factored.base import dense
from factorattn.scalars import whole

__all__ = ["Heads"]


@dataclasses.dataclass(frozen=True, eq=False)
class Heads:
    """A weight matrix, an array or factored, in the place of one for each head.

    Parameters
    ----------
    matrix : array or Factored, shape (..., h d, c), or (..., c, h e) for ``side="in"``
    heads : int, or tuple of int
        Number of heads; (g, s) for g groups of s.
    side : {"out", "in"}
        Whether heads divide what the matrix gives, or what it takes.

    Raises
    ------
    ValueError
        If the heads do not divide the matrix evenly, or `side` is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> from factorattn import multihead_attention
    >>> from factorattn.factor import Heads, truncated_svd
    >>> x, *w = np.random.default_rng(0).standard_normal((5, 16, 16))
    >>> small = [truncated_svd(matrix, 4) for matrix in w]
    >>> w_q, w_k, w_v = (Heads(matrix, 2) for matrix in small[:3])
    >>> multihead_attention(x, w_q, w_k, w_v, Heads(small[3], 2, side="in")).shape
    (16, 16)
    """

    matrix: Any
    heads: int | tuple[int, ...]
    side: str = "out"

    __factored__ = True

    def __post_init__(self) -> None:
        if self.side not in ("out", "in"):
            raise ValueError(f"side must be 'out' or 'in', got {self.side!r}")
        *_, p, q = self.matrix.shape
        length, total = p if self.side == "out" else q, 1
        for count in self._counts():
            total *= count
        if total < 1 or length % total:
            raise ValueError(
                f"heads must divide the {length} {'rows' if self.side == 'out' else 'columns'}, got {self.heads!r}"
            )

    @property
    def shape(self) -> tuple[int, ...]:
        """(..., h, d, c), or (..., h, c, e)."""
        *batch, p, q = self.matrix.shape
        counts, total = self._counts(), 1
        for count in counts:
            total *= count
        return (*batch, *counts, p // total, q) if self.side == "out" else (*batch, *counts, p, q // total)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def dtype(self) -> Any:
        """That of the matrix."""
        return self.matrix.dtype

    @property
    def device(self) -> Any:
        """Where the matrix is."""
        return array_api_compat.device(self.matrix)

    def __array_namespace__(self, api_version: str | None = None) -> Any:
        return array_api_compat.array_namespace(self.matrix)

    def astype(self, dtype: Any) -> Self:
        """The same in another dtype."""
        xp, matrix = self.__array_namespace__(), self.matrix
        cast = matrix.astype(dtype) if hasattr(matrix, "__factored__") else xp.astype(matrix, dtype, copy=False)
        return dataclasses.replace(self, matrix=cast)

    def to_dense(self) -> Any:
        """The matrices of the heads, an array."""
        xp, matrix = self.__array_namespace__(), dense(self.matrix)
        if self.side == "out":
            return xp.reshape(matrix, self.shape)
        *batch, p, _ = matrix.shape
        apart = xp.reshape(matrix, (*batch, p, *self._counts(), self.shape[-1]))
        first, heads = len(batch), len(self._counts())
        axes = (*range(first), *range(first + 1, first + 1 + heads), first, first + 1 + heads)
        return xp.permute_dims(apart, axes)

    def _counts(self) -> tuple[int, ...]:
        counts = self.heads if isinstance(self.heads, tuple) else (self.heads,)
        return tuple(whole(heads=count) for count in counts)
