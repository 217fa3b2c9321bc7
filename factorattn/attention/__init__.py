"""Attention mechanisms, a folder per family. Every public name is a mechanism; together they are the catalogue."""

from collections.abc import Callable
from types import MappingProxyType

from factorattn import catalogue
from factorattn.attention import (
    alignment,
    exact,
    hashing,
    kernel,
    levels,
    lowrank,
    memory,
    multihead,
    sequences,
    sparse,
)
from factorattn.attention.alignment import *
from factorattn.attention.exact import *
from factorattn.attention.hashing import *
from factorattn.attention.kernel import *
from factorattn.attention.levels import *
from factorattn.attention.lowrank import *
from factorattn.attention.memory import *
from factorattn.attention.multihead import *
from factorattn.attention.sequences import *
from factorattn.attention.sparse import *

__all__ = []  # joined family by family: type checkers read this, and no other way
__all__ += alignment.__all__
__all__ += exact.__all__
__all__ += hashing.__all__
__all__ += kernel.__all__
__all__ += levels.__all__
__all__ += lowrank.__all__
__all__ += memory.__all__
__all__ += multihead.__all__
__all__ += sequences.__all__
__all__ += sparse.__all__

CATALOGUE: MappingProxyType[str, Callable] = MappingProxyType({name: globals()[name] for name in sorted(__all__)})


def find(name: str) -> Callable:
    """Return the mechanism called `name`, with or without its ``_attention``.

    Raises
    ------
    ValueError
        If there is none; the message offers the nearest names.
    TypeError
        If `name` is not a string.
    """
    return catalogue.find(CATALOGUE, name, kind="mechanism", suffix="_attention")
