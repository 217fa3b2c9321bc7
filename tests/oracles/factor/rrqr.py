"""QR with column pivoting (Businger and Golub 1965), by subtracting from every column what the pivot explains."""

import math

from oracles.factor.selection import norm, transpose


def rrqr(a, rank):
    """List a (p, q) of rows: basis (list of vectors), coefficients (rank, q), pivots, and what is left (columns)."""
    left = transpose(a)
    basis, coefficients, pivots = [], [], []
    for _ in range(rank):
        free = [j for j in range(len(left)) if j not in pivots]
        pivot = max(free, key=lambda j: norm(left[j]))
        size = norm(left[pivot])
        u = [x / size for x in left[pivot]]
        along = [math.fsum(x * y for x, y in zip(u, column, strict=True)) for column in left]
        left = [[y - c * x for x, y in zip(u, column, strict=True)] for c, column in zip(along, left, strict=True)]
        basis.append(u)
        coefficients.append(along)
        pivots.append(pivot)
    return basis, coefficients, pivots, left
