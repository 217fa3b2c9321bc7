"""The nearest axial table: means over the other axis of the grid (two-way analysis of variance for the sum)."""

import math


def mean(values):
    return math.fsum(values) / len(values)


def concat(e, x, y, f):
    """List of rows e (x y, d), the first f columns by row; returns E1 (x, f) and E2 (y, d - f)."""
    d = len(e[0])
    by_row = [[mean([e[y * i + j][c] for j in range(y)]) for c in range(f)] for i in range(x)]
    by_column = [[mean([e[y * i + j][c] for i in range(x)]) for c in range(f, d)] for j in range(y)]
    return by_row, by_column


def total(e, x, y):
    """List of rows e (x y, d); returns the E1 (x, d) and E2 (y, d) of the nearest sum, E2 of mean zero."""
    d = len(e[0])
    grand = [mean([row[c] for row in e]) for c in range(d)]
    by_row = [[mean([e[y * i + j][c] for j in range(y)]) for c in range(d)] for i in range(x)]
    by_column = [[mean([e[y * i + j][c] for i in range(x)]) - grand[c] for c in range(d)] for j in range(y)]
    return by_row, by_column
