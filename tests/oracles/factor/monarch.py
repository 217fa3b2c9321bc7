"""Monarch matrices from the indices of Dao et al. (2022), and the nearest one, block by block, by Jacobi rotations."""

import math

from oracles.lowrank import singular_triplets


def monarch_matrix(left, right):
    """M_(i1 i2, j1 j2) = sum over t of L^(i2)_(i1, j1 t) R^(j1)_(t i2, j2), from nested lists of the blocks."""
    blocks_l, x, k = len(left), len(left[0]), len(right)
    r, y = len(right[0]) // blocks_l, len(right[0][0])
    return [
        [
            math.fsum(left[i2][i1][j1 * r + t] * right[j1][t * blocks_l + i2][j2] for t in range(r))
            for j1 in range(k)
            for j2 in range(y)
        ]
        for i1 in range(x)
        for i2 in range(blocks_l)
    ]


def nearest_monarch(a, blocks_l, k, rank):
    """The nearest matrix whose blocks, for each last digit of the row and first of the column, have this rank."""
    x, y = len(a) // blocks_l, len(a[0]) // k
    out = [[0.0] * len(a[0]) for _ in a]
    for i2 in range(blocks_l):
        for j1 in range(k):
            block = [[a[i1 * blocks_l + i2][j1 * y + j2] for j2 in range(y)] for i1 in range(x)]
            for s, u, v in singular_triplets(block)[:rank]:
                for i1 in range(x):
                    for j2 in range(y):
                        out[i1 * blocks_l + i2][j1 * y + j2] += s * u[i1] * v[j2]
    return out
