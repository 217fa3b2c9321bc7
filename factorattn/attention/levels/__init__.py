"""Over words and sentences, areas, hops, features and representations: more than one weight for a position."""

from factorattn.attention.levels.area import area_attention
from factorattn.attention.levels.hierarchical import hierarchical_attention
from factorattn.attention.levels.multidimensional import multidimensional_attention
from factorattn.attention.levels.multirepresentational import multirepresentational_attention
from factorattn.attention.levels.source2token import source2token_attention
from factorattn.attention.levels.structured import redundancy_penalty, structured_attention

__all__ = [
    "area_attention",
    "hierarchical_attention",
    "multidimensional_attention",
    "multirepresentational_attention",
    "source2token_attention",
    "structured_attention",
]

# Public, but no mechanisms: what is added to a loss in training.
HELPERS = (redundancy_penalty,)
