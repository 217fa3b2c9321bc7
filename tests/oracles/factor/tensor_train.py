"""TT-SVD from Algorithm 1 of Oseledets 2011: entries as products of matrices that an index picks."""

import math

from oracles.factor.modes import places, triplets


def tensor_train(t, modes, ranks):
    """Flat list t, its modes, ranks r_1 .. r_{d-1}; returns the approximation, a flat list, and all values left out."""
    cores, left_out, r = [], [], 1
    for n, rank in zip(modes[:-1], ranks, strict=True):
        length = len(t) // (r * n)
        matrix = [t[row * length : (row + 1) * length] for row in range(r * n)]
        every = triplets(matrix, min(r * n, length))
        kept = every[:rank]
        left_out += [s for s, _, _ in every[rank:]]
        cores.append([[[u[a * n + i] for _, u, _ in kept] for i in range(n)] for a in range(r)])
        t, r = [s * v[j] for s, _, v in kept for j in range(length)], len(kept)
    n = modes[-1]
    cores.append([[[t[a * n + i]] for i in range(n)] for a in range(r)])
    out = []
    for index in places(modes):
        row = [1.0]
        for core, i in zip(cores, index, strict=True):
            row = [math.fsum(x * core[a][i][b] for a, x in enumerate(row)) for b in range(len(core[0][i]))]
        out.append(row[0])
    return out, left_out
