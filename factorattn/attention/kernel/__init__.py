"""Weights are inner products of features: sums over keys come before the query."""

from factorattn.attention.kernel.aft import aft_attention
from factorattn.attention.kernel.cosformer import cosformer_attention
from factorattn.attention.kernel.efficient import efficient_attention
from factorattn.attention.kernel.linear import linear_attention
from factorattn.attention.kernel.performer import performer_attention
from factorattn.attention.kernel.random_feature import random_feature_attention

__all__ = [
    "aft_attention",
    "cosformer_attention",
    "efficient_attention",
    "linear_attention",
    "performer_attention",
    "random_feature_attention",
]
