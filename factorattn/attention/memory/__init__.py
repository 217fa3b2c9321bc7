"""Keys beyond the sequence: a past, a learned memory, a continuous one."""

from factorattn.attention.memory.compressive import compressive_attention
from factorattn.attention.memory.continuous_softmax import continuous_softmax_attention
from factorattn.attention.memory.continuous_sparsemax import continuous_sparsemax_attention
from factorattn.attention.memory.infinite_former import infinite_former_attention
from factorattn.attention.memory.persistent import persistent_attention
from factorattn.attention.memory.transformer_xl import transformer_xl_attention

__all__ = [
    "compressive_attention",
    "continuous_softmax_attention",
    "continuous_sparsemax_attention",
    "infinite_former_attention",
    "persistent_attention",
    "transformer_xl_attention",
]
