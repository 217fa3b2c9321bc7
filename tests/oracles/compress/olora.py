"""Büyükakyüz (2024): the first columns of Q times the first rows of R, W = Q R, by Gram and Schmidt."""

import math

from oracles.compress import added, product


def orthonormal_columns(w):
    """Columns of Q, one for each of the first min(p, q) columns of w; twice, which is enough for rounding."""
    found = []
    for j in range(min(len(w), len(w[0]))):
        column = [row[j] for row in w]
        for _ in range(2):
            for known in found:
                share = math.fsum(x * y for x, y in zip(known, column, strict=True))
                column = [x - share * y for x, y in zip(column, known, strict=True)]
        length = math.sqrt(math.fsum(x * x for x in column))
        found.append([x / length for x in column])
    return found


def olora(w, rank):
    """List w (p, q) of full rank; returns what is trained and what is frozen."""
    rows = orthonormal_columns(w)[:rank]
    columns = [list(column) for column in zip(*rows, strict=True)]
    trained = product(columns, rows, w)
    return trained, added(w, trained, -1.0)
