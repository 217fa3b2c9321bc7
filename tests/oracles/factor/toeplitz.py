"""Toeplitz matrices by their definition, and the nearest one by the mean of each diagonal (Gray 2006)."""

import math


def toeplitz_matrix(column, row):
    """T_ij = t_(i - j), from lists of the first column and row; the corner is the column's."""
    return [[column[i - j] if i >= j else row[j - i] for j in range(len(row))] for i in range(len(column))]


def nearest_toeplitz(a):
    """First column and row of the Toeplitz matrix nearest to a list of rows."""
    p, q = len(a), len(a[0])

    def mean(lag):
        entries = [a[i][i - lag] for i in range(p) if 0 <= i - lag < q]
        return math.fsum(entries) / len(entries)

    return [mean(k) for k in range(p)], [mean(-k) for k in range(q)]


def toeplitz_product(column, row, x):
    """T x, entry by entry."""
    return [math.fsum(t * z for t, z in zip(line, x, strict=True)) for line in toeplitz_matrix(column, row)]
