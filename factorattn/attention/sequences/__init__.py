"""By the number of sequences: one with itself, one with another, two with each other."""

from factorattn.attention.sequences.alternating_co import alternating_co_attention
from factorattn.attention.sequences.distinctive import distinctive_attention
from factorattn.attention.sequences.parallel_co import parallel_co_attention
from factorattn.attention.sequences.self import self_attention

__all__ = ["alternating_co_attention", "distinctive_attention", "parallel_co_attention", "self_attention"]
