"""Meng et al. (2024): the leading singular triplets of W, and what they leave."""

from oracles.compress import added
from oracles.lowrank import singular_triplets


def outer_sum(triplets, p, q):
    """The sum of s u v^T."""
    out = [[0.0] * q for _ in range(p)]
    for s, u, v in triplets:
        out = [[x + s * u[i] * v[j] for j, x in enumerate(row)] for i, row in enumerate(out)]
    return out


def pissa(w, rank):
    """List w (p, q); returns what is trained and what is frozen."""
    trained = outer_sum(singular_triplets(w)[:rank], len(w), len(w[0]))
    return trained, added(w, trained, -1.0)
