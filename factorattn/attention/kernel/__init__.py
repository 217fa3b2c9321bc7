"""Weights are inner products of features: sums over keys come before the query."""

from factorattn.attention.kernel.linear import linear_attention
from factorattn.attention.kernel.performer import performer_attention

__all__ = ["linear_attention", "performer_attention"]
