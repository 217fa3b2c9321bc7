"""Wang et al. (2024): the last singular triplets of W, and what they leave."""

from oracles.compress import added
from oracles.compress.pissa import outer_sum
from oracles.lowrank import singular_triplets


def milora(w, rank):
    """List w (p, q); returns what is trained and what is frozen. Of min(p, q) triplets the last are taken."""
    triplets = singular_triplets(w)[: min(len(w), len(w[0]))]
    trained = outer_sum(triplets[max(len(triplets) - rank, 0) :], len(w), len(w[0]))
    return trained, added(w, trained, -1.0)
