"""Wang et al. (2025), section 3: S the Cholesky factor of X^T X, F = (W S)_r S^-1, as they write it."""

import math

from oracles.compress import product
from oracles.compress.pissa import outer_sum
from oracles.lowrank import singular_triplets


def cholesky(g):
    """The lower triangular L with L L^T = g, row by row."""
    low = [[0.0] * len(g) for _ in g]
    for i in range(len(g)):
        for j in range(i + 1):
            rest = g[i][j] - math.fsum(low[i][k] * low[j][k] for k in range(j))
            low[i][j] = math.sqrt(rest) if i == j else rest / low[j][j]
    return low


def over_lower(y, low):
    """The rows z with z L = y, from the last entry to the first."""
    out = []
    for row in y:
        z = [0.0] * len(low)
        for j in reversed(range(len(low))):
            z[j] = (row[j] - math.fsum(z[k] * low[k][j] for k in range(j + 1, len(low)))) / low[j][j]
        out.append(z)
    return out


def svd_llm(w, x, rank):
    """Lists w (p, q), x (n, q) of rank q; returns F (p, q) and the squared error of its outputs by the theorem."""
    q = len(w[0])
    gram = [[math.fsum(row[i] * row[j] for row in x) for j in range(q)] for i in range(q)]
    low = cholesky(gram)
    triplets = singular_triplets(product(w, low))
    near = outer_sum(triplets[:rank], len(w), q)
    return over_lower(near, low), math.fsum(s * s for s, _, _ in triplets[rank:])
