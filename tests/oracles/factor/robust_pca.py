"""Algorithm 1 of Candes, Li, Ma and Wright (2011), in plain loops over real numbers."""

import math

from oracles.factor.truncated_svd import singular_triplets


def shrink(x, by):
    return math.copysign(max(abs(x) - by, 0.0), x)


def robust_pca(a, rounds):
    """The part of low rank and the sparse part of a (p rows of q) after some rounds."""
    p, q = len(a), len(a[0])
    cells = [(i, j) for i in range(p) for j in range(q)]
    weight = 1 / math.sqrt(max(p, q))
    mu = p * q / (4 * math.fsum(abs(a[i][j]) for i, j in cells))
    low, sparse, y = ([[0.0] * q for _ in range(p)] for _ in range(3))
    for _ in range(rounds):
        moved = [[a[i][j] - sparse[i][j] + y[i][j] / mu for j in range(q)] for i in range(p)]
        triplets = [(shrink(s, 1 / mu), u, v) for s, u, v in singular_triplets(moved)]
        low = [[math.fsum(s * u[i] * v[j] for s, u, v in triplets) for j in range(q)] for i in range(p)]
        sparse = [[shrink(a[i][j] - low[i][j] + y[i][j] / mu, weight / mu) for j in range(q)] for i in range(p)]
        y = [[y[i][j] + mu * (a[i][j] - low[i][j] - sparse[i][j]) for j in range(q)] for i in range(p)]
    return low, sparse
