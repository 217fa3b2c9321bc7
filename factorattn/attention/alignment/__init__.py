"""How well a key answers a query, and what weight follows: scores and distributions."""

from factorattn.attention.alignment.coda import coda_attention
from factorattn.attention.alignment.general import general_attention
from factorattn.attention.alignment.hard import hard_attention
from factorattn.attention.alignment.local_monotonic import local_monotonic_attention
from factorattn.attention.alignment.local_predictive import local_predictive_attention
from factorattn.attention.alignment.soft import soft_attention

__all__ = [
    "coda_attention",
    "general_attention",
    "hard_attention",
    "local_monotonic_attention",
    "local_predictive_attention",
    "soft_attention",
]
