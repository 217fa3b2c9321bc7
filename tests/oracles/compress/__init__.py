"""Plain Python loops from the papers of adapters and of weighted factorizations; and the products they share."""

import math


def product(*matrices):
    """The product of matrices, lists of rows."""
    out, *others = matrices
    for other in others:
        columns = range(len(other[0]) if other else 0)
        out = [[math.fsum(row[k] * other[k][j] for k in range(len(other))) for j in columns] for row in out]
    return out


def added(a, b, scale=1.0):
    """Entries of a + scale b."""
    return [[x + scale * y for x, y in zip(row, other, strict=True)] for row, other in zip(a, b, strict=True)]


def diagonal(d):
    """A square matrix with d on its diagonal."""
    return [[x if i == j else 0.0 for j in range(len(d))] for i, x in enumerate(d)]
