"""Algorithms 4.4 and 5.1 of Halko, Martinsson and Tropp (2011), in plain loops over real numbers."""

import math

from oracles.factor.truncated_svd import singular_triplets


def product(a, b):
    return [[math.fsum(x * y for x, y in zip(row, column, strict=True)) for column in turned(b)] for row in a]


def turned(a):
    return [list(column) for column in zip(*a, strict=True)]


def orthonormal(a):
    """Columns made orthonormal one after the other, each twice (Gram and Schmidt; Kahan: twice is enough)."""
    basis = []
    for column in turned(a):
        for _ in range(2):
            for q in basis:
                along = math.fsum(x * y for x, y in zip(q, column, strict=True))
                column = [x - along * y for x, y in zip(column, q, strict=True)]
        length = math.sqrt(math.fsum(x * x for x in column))
        basis.append([x / length for x in column])
    return turned(basis)


def randomized_svd(a, test, rank, power):
    """The approximation of a (p rows of q) with the test matrix (q rows of l), and the singular values kept."""
    q = orthonormal(product(a, test))
    for _ in range(power):
        q = orthonormal(product(turned(a), q))
        q = orthonormal(product(a, q))
    triplets = singular_triplets(product(turned(q), a))[:rank]
    small = [[math.fsum(s * u[i] * v[j] for s, u, v in triplets) for j in range(len(a[0]))] for i in range(len(q[0]))]
    return product(q, small), [s for s, _, _ in triplets]
