"""Blocks found at random and taken off (Martinsson and Voronin 2016), in plain loops over real numbers."""

import math

from oracles.factor.randomized_svd import orthonormal, product, turned
from oracles.factor.truncated_svd import singular_triplets


def length(a):
    return math.sqrt(math.fsum(x * x for row in a for x in row))


def adaptive_svd(a, tests, rank, tolerance, power):
    """Of a (p rows of q), from a test matrix (q rows of b) for each block: dense, all values found, the rank kept."""
    side, allowed = min(len(a), len(a[0])), tolerance * length(a)
    rest, basis, met = a, [], False
    for test in tests:
        q = orthonormal(product(rest, test))
        for _ in range(power):
            q = orthonormal(product(turned(rest), q))
            q = orthonormal(product(rest, q))
        taken = product(q, product(turned(q), rest))
        rest = [[x - y for x, y in zip(*rows, strict=True)] for rows in zip(rest, taken, strict=True)]
        basis += turned(q)
        if met or len(basis) >= min(rank + len(test[0]), side):
            break
        met = length(rest) <= allowed
    triplets = singular_triplets(product(basis, a))[: len(basis)]
    kept = next(
        (r for r in range(1, rank) if math.hypot(length(rest), *(s for s, _, _ in triplets[r:])) <= allowed), rank
    )
    small = [
        [math.fsum(s * u[i] * v[j] for s, u, v in triplets[:kept]) for j in range(len(a[0]))] for i in range(len(basis))
    ]
    return product(turned(basis), small), [s for s, _, _ in triplets], kept
