"""Xiong et al. 2021: equations 14 (inverse), 16 (landmarks) and 17 (output), and the convolution, number by number."""

import math


def product(a, b):
    return [
        [math.fsum(x * y for x, y in zip(row, column, strict=True)) for column in zip(*b, strict=True)] for row in a
    ]


def transposed(a):
    return [list(column) for column in zip(*a, strict=True)]


def softmax(q, k, scale, there):
    """Row-wise softmax of scale q k^T over the columns that are there; the others weigh nothing."""
    rows = []
    for x in q:
        shares = [
            math.exp(scale * math.fsum(a * b for a, b in zip(x, y, strict=True))) if is_there else 0.0
            for y, is_there in zip(k, there, strict=True)
        ]
        total = math.fsum(shares)
        rows.append([share / total if total else 0.0 for share in shares])
    return rows


def inverse(a, iterations):
    """Equation 14 from Z_0 = A^T / (|A|_1 |A|_inf)."""
    r = len(a)
    columns = max(math.fsum(abs(row[j]) for row in a) for j in range(r))
    rows = max(math.fsum(abs(x) for x in row) for row in a)
    z = [[x / (columns * rows or 1.0) for x in row] for row in transposed(a)]
    for _ in range(iterations):
        az = product(a, z)
        inner = less(7, az)
        inner = less(15, product(az, inner))
        inner = less(13, product(az, inner))
        z = [[x / 4 for x in row] for row in product(z, inner)]
    return z


def less(number, a):
    """A number times I, less a."""
    return [[number * (i == j) - x for j, x in enumerate(row)] for i, row in enumerate(a)]


def nystrom_attention(q, k, v, conv=None, *, rank, iterations=6, shown=None, scale=None):
    """Lists q, k (n, d), v (n, e), conv (w), shown (n); returns o (n, e)."""
    n, d, e = len(q), len(q[0]), len(v[0])
    scale = 1 / math.sqrt(d) if scale is None else scale
    shown = [True] * n if shown is None else shown
    segments = [
        [j for j in range(a * n // rank, (a + 1) * n // rank) if shown[j]] for a in range(rank)
    ]  # of the positions that are there
    means = [[[math.fsum(x[j][c] for j in s) / (len(s) or 1) for c in range(d)] for s in segments] for x in (q, k)]
    there = [bool(s) for s in segments]
    a = [row if is_there else [0.0] * rank for row, is_there in zip(softmax(*means, scale, there), there, strict=True)]
    left = product(softmax(q, means[1], scale, there), inverse(a, iterations))
    weights = product(left, softmax(means[0], k, scale, shown))
    o = product(weights, [row if shown[j] else [0.0] * e for j, row in enumerate(v)])
    for i in range(n):
        for t, factor in enumerate(conv or []):
            j = i + t - len(conv) // 2
            if 0 <= j < n and shown[j]:
                o[i] = [old + factor * new for old, new in zip(o[i], v[j], strict=True)]
    return o
