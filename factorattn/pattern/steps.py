"""What a stack of layers can see: steps joined, the last layer first.

    field = (I | last) @ .. @ (I | second) @ (I | first)

I stands for the residual connection, which carries a position past a layer.
"""

from collections.abc import Sequence
from functools import reduce
from operator import matmul

from factorattn.pattern.pattern import Pattern
from factorattn.pattern.shapes import identity
from factorattn.scalars import flag

__all__ = ["receptive_field"]


def receptive_field(layers: Sequence[Pattern], *, residual: bool = True) -> Pattern:
    """Which inputs reach which outputs of a stack of layers, the first layer first.

    Parameters
    ----------
    layers : sequence of Pattern
        One at the least, each with as many queries as keys.
    residual : bool
        Whether each layer also passes on every position itself.
    """
    if not layers or any((layer.n, layer.m) != (layers[0].n, layers[0].n) for layer in layers):
        raise ValueError("layers must be one pattern or more, all of one size, with as many queries as keys")
    own = identity(layers[0].n)
    return reduce(matmul, [own | layer if flag(residual=residual) else layer for layer in reversed(layers)])
