"""The truncated singular value decomposition of the softmax matrix by one-sided Jacobi rotations (Hestenes 1958)."""

import math

from oracles.softmax import softmax_attention


def singular_triplets(a):
    """Rotate the columns of a (list of rows) until they are orthogonal: triplets (s, u, v), largest first."""
    rows, cols = len(a), len(a[0])
    work = [[a[i][j] for i in range(rows)] for j in range(cols)]  # columns
    right = [[float(i == j) for i in range(cols)] for j in range(cols)]
    for _ in range(60):
        for p in range(cols):
            for t in range(p + 1, cols):
                alpha = math.fsum(x * x for x in work[p])
                beta = math.fsum(x * x for x in work[t])
                gamma = math.fsum(x * y for x, y in zip(work[p], work[t], strict=True))
                if gamma == 0:
                    continue
                zeta = (beta - alpha) / (2 * gamma)
                tan = math.copysign(1, zeta) / (abs(zeta) + math.sqrt(1 + zeta * zeta))
                cos = 1 / math.sqrt(1 + tan * tan)
                sin = cos * tan
                for x in (work, right):
                    x[p], x[t] = (
                        [cos * y - sin * z for y, z in zip(x[p], x[t], strict=True)],
                        [sin * y + cos * z for y, z in zip(x[p], x[t], strict=True)],
                    )
    triplets = []
    for column, v in zip(work, right, strict=True):
        s = math.sqrt(math.fsum(x * x for x in column))
        triplets.append((s, [x / s for x in column] if s else column, v))
    return sorted(triplets, key=lambda triplet: -triplet[0])


def lowrank_attention(q, k, v, *, rank, mask=None, scale=None):
    """Lists q (n, d), k (m, d), v (m, e), mask (n, m); returns o (n, e)."""
    n, m, e = len(q), len(k), len(v[0])
    identity = [[float(i == j) for i in range(m)] for j in range(m)]
    p, _ = softmax_attention(q, k, identity, mask=mask, scale=scale)  # the weights themselves
    kept = singular_triplets(p)[:rank]
    low = [[math.fsum(s * u[i] * w[j] for s, u, w in kept) for j in range(m)] for i in range(n)]
    return [[math.fsum(low[i][j] * v[j][c] for j in range(m)) for c in range(e)] for i in range(n)]
