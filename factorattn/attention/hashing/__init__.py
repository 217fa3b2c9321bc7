"""Which pairs are looked at depends on the data: buckets, clusters, sorted blocks, chosen queries."""

from factorattn.attention.hashing.centroids import update_centroids
from factorattn.attention.hashing.clustered import clustered_attention
from factorattn.attention.hashing.distil import distil
from factorattn.attention.hashing.improved_clustered import improved_clustered_attention
from factorattn.attention.hashing.informer import informer_attention
from factorattn.attention.hashing.reformer import reformer_attention
from factorattn.attention.hashing.routing import routing_attention
from factorattn.attention.hashing.sinkhorn import sinkhorn_attention
from factorattn.attention.hashing.sorting import network_scores

__all__ = [
    "clustered_attention",
    "improved_clustered_attention",
    "informer_attention",
    "reformer_attention",
    "routing_attention",
    "sinkhorn_attention",
]

# Public, but no mechanisms: what learns or prepares the inputs of a mechanism.
HELPERS = (distil, network_scores, update_centroids)
