"""Alternating least squares for a sum of outer products by normal equations, in 80 digits.

Kolda and Bader 2009, equation (3.4): A_k = X_(k) K (K^T K)^-1, for K the Khatri-Rao product of the other factors.
"""

import math
from decimal import Decimal, localcontext

from oracles.factor.modes import at, places


def solve(matrix, right):
    """Gauss and Jordan: the rows x of x matrix = right, for a symmetric matrix."""
    n = len(matrix)
    rows = [list(row) + [line[k] for line in right] for k, row in enumerate(matrix)]
    for k in range(n):
        pivot = next(i for i in range(k, n) if rows[i][k] != 0)
        rows[k], rows[pivot] = rows[pivot], rows[k]
        rows[k] = [x / rows[k][k] for x in rows[k]]
        for i in range(n):
            if i != k:
                rows[i] = [x - rows[i][k] * y for x, y in zip(rows[i], rows[k], strict=True)]
    return [[rows[k][n + line] for k in range(n)] for line in range(len(right))]


def cp(t, modes, factors, sweeps):
    """Flat list t, its modes, starting factors (lists of rows); returns the sum of outer products, a flat list."""
    with localcontext() as context:
        context.prec = 80
        return _swept(
            [Decimal(x) for x in t], modes, [[[Decimal(x) for x in row] for row in f] for f in factors], sweeps
        )


def _swept(t, modes, factors, sweeps):
    rank, d = len(factors[0][0]), len(modes)
    for _ in range(sweeps):
        for k in range(d):
            others = [j for j in range(d) if j != k]
            gram = [
                [math.prod(sum(row[s] * row[u] for row in factors[j]) for j in others) for u in range(rank)]
                for s in range(rank)
            ]
            right = [[Decimal(0)] * rank for _ in range(modes[k])]
            for index in places(modes):
                for s in range(rank):
                    weight = math.prod(factors[j][index[j]][s] for j in others)
                    right[index[k]][s] += t[at(index, modes)] * weight
            factors[k] = solve(gram, right)
    return [
        float(sum(math.prod(factors[j][index[j]][s] for j in range(d)) for s in range(rank))) for index in places(modes)
    ]
