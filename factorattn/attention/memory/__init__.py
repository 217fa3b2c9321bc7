"""Keys beyond the sequence: a past, a learned memory, a continuous one."""

from factorattn.attention.memory.compression import compress, memory_usage, reconstruction_loss, remember
from factorattn.attention.memory.compressive import compressive_attention
from factorattn.attention.memory.continuous_softmax import continuous_softmax_attention
from factorattn.attention.memory.continuous_sparsemax import continuous_sparsemax_attention
from factorattn.attention.memory.infinite_former import infinite_former_attention
from factorattn.attention.memory.long_term import attended_densities, extend_memory, kl_regulariser, sticky_places
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

# Public, but no mechanisms: what makes, keeps and trains a memory.
HELPERS = (
    attended_densities,
    compress,
    extend_memory,
    kl_regulariser,
    memory_usage,
    reconstruction_loss,
    remember,
    sticky_places,
)
