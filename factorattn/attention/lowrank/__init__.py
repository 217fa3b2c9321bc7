"""The matrix of weights, or its keys, replaced by a product of thin matrices."""

from factorattn.attention.lowrank.linformer import linformer_attention
from factorattn.attention.lowrank.lowrank import lowrank_attention
from factorattn.attention.lowrank.nystrom import nystrom_attention

__all__ = ["linformer_attention", "lowrank_attention", "nystrom_attention"]
