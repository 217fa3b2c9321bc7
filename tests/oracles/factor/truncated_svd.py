"""Singular triplets by one-sided Jacobi rotations (Hestenes 1958), in plain loops over real numbers."""

import math


def singular_triplets(a):
    """Rotate pairs of columns of a (p rows of q) until all are orthogonal: (s, u, v) for each, largest first."""
    p, q = len(a), len(a[0])
    columns = [[a[i][j] for i in range(p)] for j in range(q)]
    turned = [[float(i == j) for i in range(q)] for j in range(q)]  # A = columns^T turned
    for _ in range(40):
        for k in range(q):
            for l in range(k + 1, q):
                xx = math.fsum(x * x for x in columns[k])
                yy = math.fsum(y * y for y in columns[l])
                xy = math.fsum(x * y for x, y in zip(columns[k], columns[l], strict=True))
                angle = 0.5 * math.atan2(2 * xy, xx - yy)  # makes the rotated columns orthogonal
                c, s = math.cos(angle), math.sin(angle)
                for both in (columns, turned):
                    both[k], both[l] = (
                        [c * x + s * y for x, y in zip(both[k], both[l], strict=True)],
                        [c * y - s * x for x, y in zip(both[k], both[l], strict=True)],
                    )
    triplets = []
    for column, v in zip(columns, turned, strict=True):
        length = math.sqrt(math.fsum(x * x for x in column))
        triplets.append((length, [x / length if length else 0.0 for x in column], v))
    return sorted(triplets, key=lambda triplet: -triplet[0])


def truncated_svd(a, rank):
    """The nearest matrix of a rank, the singular values kept, and the distance."""
    triplets = singular_triplets(a)
    kept = triplets[:rank]
    dense = [[math.fsum(s * u[i] * v[j] for s, u, v in kept) for j in range(len(a[0]))] for i in range(len(a))]
    side = min(len(a), len(a[0]))
    return dense, [s for s, _, _ in triplets[: min(rank, side)]], math.hypot(*(s for s, _, _ in triplets[rank:]), 0.0)
