"""Several attentions side by side, and what their heads share."""

from factorattn.attention.multihead.grouped_query import grouped_query_attention
from factorattn.attention.multihead.latent import latent_attention
from factorattn.attention.multihead.multihead import multihead_attention
from factorattn.attention.multihead.multiquery import multiquery_attention

__all__ = ["grouped_query_attention", "latent_attention", "multihead_attention", "multiquery_attention"]
