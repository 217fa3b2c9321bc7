"""A table of rank r, by Jacobi's rotations, and the rows that words look up."""

from oracles.compress.pissa import outer_sum
from oracles.lowrank import singular_triplets


def albert(e, rank, words):
    """List e (p, q), numbers of words; returns their rows of the nearest table of rank `rank`."""
    table = outer_sum(singular_triplets(e)[:rank], len(e), len(e[0]))
    return [table[word] for word in words]
