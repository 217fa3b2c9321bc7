"""CUR: the projection on chosen columns and rows, the intersection, and DEIM (Sorensen and Embree 2016)."""

import math

from oracles.factor.selection import columns, orthonormal, product, solve, transpose


def projection(a, rows, cols):
    """Q_c Q_c^T A Q_r Q_r^T for orthonormal bases of the chosen columns and rows."""
    left = orthonormal(columns(a, cols))
    right = orthonormal(transpose([a[i] for i in rows]))
    inner = product(product(left, a), transpose(right))
    return product(product(transpose(left), inner), right)


def intersection(a, rows, cols):
    """C W^-1 R for the square W in which they meet."""
    chosen = [a[i] for i in rows]
    return product(columns(a, cols), solve(columns(chosen, cols), chosen))


def deim(v):
    """List v (p, k) of rows: k row numbers; each vector is interpolated at those before, the largest rest is next."""
    vectors = transpose(v)
    picks = [max(range(len(v)), key=lambda i: abs(vectors[0][i]))]
    for j in range(1, len(vectors)):
        at = [[vectors[t][i] for t in range(j)] for i in picks]
        c = solve(at, [[vectors[j][i]] for i in picks])
        rest = [x - math.fsum(c[t][0] * vectors[t][i] for t in range(j)) for i, x in enumerate(vectors[j])]
        picks.append(max((i for i in range(len(v)) if i not in picks), key=lambda i: abs(rest[i])))
    return picks
