"""What oracles of the selection family share: lists as matrices, Gram and Schmidt, elimination."""

import math


def product(a, b):
    return [
        [math.fsum(x * y for x, y in zip(row, column, strict=True)) for column in zip(*b, strict=True)] for row in a
    ]


def transpose(a):
    return [list(column) for column in zip(*a, strict=True)]


def norm(v):
    return math.sqrt(math.fsum(x * x for x in v))


def columns(a, index):
    return [[row[j] for j in index] for row in a]


def orthonormal(a):
    """Columns made orthonormal one after the other (Gram and Schmidt, twice for each): a list of vectors."""
    basis = []
    for column in transpose(a):
        v = list(column)
        for _ in range(2):
            for u in basis:
                along = math.fsum(x * y for x, y in zip(u, v, strict=True))
                v = [y - along * x for x, y in zip(u, v, strict=True)]
        basis.append([x / norm(v) for x in v])
    return basis


def solve(a, b):
    """The x with a x = b, for lists a (n, n) and b (n, m), by Gauss and Jordan with row pivoting."""
    n = len(a)
    rows = [list(left) + list(right) for left, right in zip(a, b, strict=True)]
    for i in range(n):
        best = max(range(i, n), key=lambda t: abs(rows[t][i]))
        rows[i], rows[best] = rows[best], rows[i]
        rows[i] = [x / rows[i][i] for x in rows[i]]
        for t in range(n):
            if t != i:
                rows[t] = [x - rows[t][i] * y for x, y in zip(rows[t], rows[i], strict=True)]
    return [row[n:] for row in rows]
