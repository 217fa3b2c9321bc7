"""Matrices of few blocks, and products of them that mix everything with few numbers.

block-diagonal   diag(B_1, ..., B_b)
stage            S_(g i h, g j h) = B^(g h)_ij        a row's number has digits g, i, h; a column's g, j, h
butterfly        S_1 S_2 ... S_k P                    stage l mixes digit l alone; P reverses the digits, or is left out
Monarch          S_1 S_2                              two digits; S_2 is block-diagonal, S_1 is so in another order
"""

from dataclasses import dataclass
from typing import Any

from factorattn.factor.factored.base import Factored
from factorattn.factor.factored.product import Chain, Permutation

__all__ = ["BlockDiagonal", "Butterfly", "Monarch", "Stage"]


@dataclass(frozen=True, eq=False, repr=False)
class Stage(Factored):
    """The block-diagonal matrix of g blocks that are x by y arrays of diagonal h by h matrices.

    `blocks` (..., g, h, x, y) holds those diagonals: blocks[g, h, i, j] couples row (g, i, h) and column (g, j, h). All
    else is zero. With h = 1 it is block-diagonal; with g = 1 it is, too, once the digits i, h are exchanged.
    """

    blocks: Any

    @property
    def shape(self) -> tuple[int, ...]:
        """(..., g x h, g y h)."""
        *batch, g, h, x, y = self.blocks.shape
        return (*batch, g * x * h, g * y * h)

    @property
    def mT(self) -> "Stage":
        """The stage of the transposed blocks."""
        return Stage(self.blocks.mT, error_bound=self.error_bound)

    @property
    def flops(self) -> int:
        """Two operations for each number."""
        return 2 * self.parameters

    def matmat(self, x: Any) -> Any:
        """S x: (..., g y h, c) to (..., g x h, c), block by block."""
        xp = self.__array_namespace__()
        g, h, rows, columns = self.blocks.shape[-4:]
        x = _swapped(xp.reshape(x, (*x.shape[:-2], g, columns, h, x.shape[-1])), xp=xp)  # (..., g, h, y, c)
        out = _swapped(self.blocks @ x, xp=xp)  # (..., g, x, h, c)
        return xp.reshape(out, (*out.shape[:-4], g * rows * h, out.shape[-1]))

    def to_dense(self) -> Any:
        """The matrix itself."""
        xp = self.__array_namespace__()
        g, h, x, y = self.blocks.shape[-4:]
        one_g, one_h = (xp.eye(n, dtype=self.dtype, device=self.device) for n in (g, h))
        out = _swapped(self.blocks, xp=xp)[..., None, :, None] * one_g[:, None, None, :, None, None]
        out = out * one_h[:, None, None, :]  # (..., g, x, h, g, y, h)
        return xp.reshape(out, (*out.shape[:-6], g * x * h, g * y * h))

    def _take(self, index: Any) -> Any:
        """Rows by their numbers: y numbers each, at their places."""
        xp = self.__array_namespace__()
        g, h, x, y = self.blocks.shape[-4:]
        at_g, at_i, at_h = index // (x * h), index // h % x, index % h
        flat = xp.reshape(self.blocks, (*self.blocks.shape[:-4], g * h * x, y))
        picked = xp.take(flat, (at_g * h + at_h) * x + at_i, axis=-2)  # (..., n, y)
        one_g, one_h = (
            xp.astype(at[:, None] == xp.arange(n, dtype=at.dtype, device=self.device)[None, :], self.dtype)
            for at, n in ((at_g, g), (at_h, h))
        )
        out = picked[..., :, None, :, None] * one_g[:, :, None, None] * one_h[:, None, None, :]  # (..., n, g, y, h)
        return xp.reshape(out, (*out.shape[:-3], g * y * h))


@dataclass(frozen=True, eq=False, repr=False)
class BlockDiagonal(Factored):
    """The block-diagonal matrix of b blocks (..., b, x, y)."""

    blocks: Any

    @property
    def shape(self) -> tuple[int, ...]:
        """(..., b x, b y)."""
        *batch, b, x, y = self.blocks.shape
        return (*batch, b * x, b * y)

    @property
    def mT(self) -> "BlockDiagonal":
        """The transposed blocks."""
        return BlockDiagonal(self.blocks.mT, error_bound=self.error_bound)

    @property
    def flops(self) -> int:
        """Two operations for each number."""
        return 2 * self.parameters

    def matmat(self, x: Any) -> Any:
        """Each block times its part of x: (..., b y, c) to (..., b x, c)."""
        xp = self.__array_namespace__()
        b, rows, columns = self.blocks.shape[-3:]
        out = self.blocks @ xp.reshape(x, (*x.shape[:-2], b, columns, x.shape[-1]))
        return xp.reshape(out, (*out.shape[:-3], b * rows, out.shape[-1]))

    def to_dense(self) -> Any:
        """The matrix itself."""
        return self._as_stage().to_dense()

    def _take(self, index: Any) -> Any:
        """Rows by their numbers: y numbers each, at their places."""
        return self._as_stage().rows(index)

    def _as_stage(self) -> Stage:
        return Stage(self.blocks[..., :, None, :, :])


@dataclass(frozen=True, eq=False, repr=False)
class Butterfly(Chain):
    """The product of `stages`, from left to right, each of which mixes one digit of a number in mixed radix.

    Stage l leaves columns' digits before l and rows' digits after l as they are. `order` (q,) permutes what goes in:
    the vector that the last stage sees is x[order].
    """

    stages: tuple[Stage, ...]
    order: Any = None

    @property
    def chain(self) -> tuple[Any, ...]:
        """The stages, and the permutation if there is one."""
        return self.stages if self.order is None else (*self.stages, Permutation(self.order))


@dataclass(frozen=True, eq=False, repr=False)
class Monarch(Chain):
    """The product of two stages, (P L P^T) R for block-diagonal L and R (Dao et al. 2022).

    `left` (..., l, x, k r) holds the l blocks of L, `right` (..., k, r l, y) the k blocks of R. Between the two, a
    number has digits (block of R, term, block of L). The matrix is (..., x l, k y).
    """

    left: Any
    right: Any

    @property
    def chain(self) -> tuple[Any, ...]:
        """P L P^T and R."""
        return (Stage(self.left[..., None, :, :, :]), BlockDiagonal(self.right))


def _swapped(x: Any, *, xp: Any) -> Any:
    """Axes -3 and -2 exchanged."""
    return xp.moveaxis(x, -3, -2)
