"""Attention mechanisms, a folder per family. Every public name is a mechanism; together they are the catalogue."""

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
