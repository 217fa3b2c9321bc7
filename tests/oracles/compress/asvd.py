"""Yuan et al. (2023): (W S)_r S^-1 with S = diag((mean |x_j|)^alpha), as they write it."""

import math

from oracles.compress.pissa import outer_sum
from oracles.lowrank import singular_triplets


def asvd(w, x, rank, *, alpha):
    """Lists w (p, q), x (n, q) without columns of zeros; returns (p, q)."""
    s = [(math.fsum(abs(row[j]) for row in x) / len(x)) ** alpha for j in range(len(w[0]))]
    scaled = [[entry * s[j] for j, entry in enumerate(row)] for row in w]
    near = outer_sum(singular_triplets(scaled)[:rank], len(w), len(w[0]))
    return [[entry / s[j] for j, entry in enumerate(row)] for row in near]
