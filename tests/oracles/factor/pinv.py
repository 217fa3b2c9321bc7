"""Pseudo-inverses by the iterations of their papers, number by number (Schulz 1933; Ben-Israel and Cohen 1966)."""

import math


def product(a, b):
    """The product of two lists of rows."""
    return [[math.fsum(x * b[k][j] for k, x in enumerate(row)) for j in range(len(b[0]))] for row in a]


def start(a):
    """A^T over the largest column sum and the largest row sum."""
    columns = max(math.fsum(abs(row[j]) for row in a) for j in range(len(a[0])))
    rows = max(math.fsum(abs(x) for x in row) for row in a)
    return [[row[j] / (columns * rows) for row in a] for j in range(len(a[0]))]


def pseudo_inverse(a, order, iterations):
    """Z (I + E + ... + E^(m-1)), E = I - A Z, again and again; and Z A Z at the end."""
    z = start(a)
    for _ in range(iterations):
        az = product(a, z)
        e = [[float(i == j) - x for j, x in enumerate(row)] for i, row in enumerate(az)]
        term = total = z
        for _ in range(order - 1):
            term = product(term, e)
            total = [[x + y for x, y in zip(one, two, strict=True)] for one, two in zip(total, term, strict=True)]
        z = total
    return product(product(z, a), z)


def razavi(a, iterations):
    """Z (13 I - A Z (15 I - A Z (7 I - A Z))) / 4."""
    z = start(a)
    for _ in range(iterations):
        az = product(a, z)
        inner = [[7 * (i == j) - x for j, x in enumerate(row)] for i, row in enumerate(az)]
        for number in (15, 13):
            inner = [[number * (i == j) - x for j, x in enumerate(row)] for i, row in enumerate(product(az, inner))]
        z = [[x / 4 for x in row] for row in product(z, inner)]
    return z
