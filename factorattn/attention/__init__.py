"""Attention mechanisms, a folder per family. Every public name is a mechanism; together they are the catalogue."""

import difflib
from collections.abc import Callable
from types import MappingProxyType

from factorattn.attention.exact.softmax import softmax_attention
from factorattn.attention.kernel.linear import linear_attention
from factorattn.attention.kernel.performer import performer_attention
from factorattn.attention.lowrank.linformer import linformer_attention
from factorattn.attention.lowrank.lowrank import lowrank_attention
from factorattn.attention.sparse.longformer import longformer_attention
from factorattn.attention.sparse.window import window_attention

__all__ = [
    "linear_attention",
    "linformer_attention",
    "longformer_attention",
    "lowrank_attention",
    "performer_attention",
    "softmax_attention",
    "window_attention",
]

CATALOGUE: MappingProxyType[str, Callable] = MappingProxyType({name: globals()[name] for name in __all__})


def find(name: str) -> Callable:
    """Return the mechanism called `name`, with or without its ``_attention``.

    Raises
    ------
    ValueError
        If there is none; the message offers the nearest names.
    """
    if not isinstance(name, str):
        raise TypeError(f"name must be a string, got {name!r}")
    for candidate in (name, f"{name}_attention"):
        if candidate in CATALOGUE:
            return CATALOGUE[candidate]
    near = difflib.get_close_matches(name, CATALOGUE, n=3, cutoff=0.4) or list(CATALOGUE)
    raise ValueError(f"mechanism must be in the catalogue, got {name!r}; did you mean {' or '.join(near)}?")
