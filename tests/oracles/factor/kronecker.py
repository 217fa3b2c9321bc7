"""The nearest sum of Kronecker products, from Van Loan and Pitsianis (1993), by Jacobi rotations and loops."""

from oracles.lowrank import singular_triplets


def kronecker_product(b, c):
    """(B (x) C)_(i u + k, j v + l) = B_ij C_kl, for lists of rows."""
    u, v = len(c), len(c[0])
    return [[b[i // u][j // v] * c[i % u][j % v] for j in range(len(b[0]) * v)] for i in range(len(b) * u)]


def nearest_sum(a, x, y, rank):
    """The matrix nearest to `a` that is a sum of `rank` products of (x, y) and (p/x, q/y), and the singular values."""
    u, v = len(a) // x, len(a[0]) // y
    rearranged = [[a[i * u + k][j * v + m] for k in range(u) for m in range(v)] for i in range(x) for j in range(y)]
    triplets = singular_triplets(rearranged)
    total = [[0.0] * len(a[0]) for _ in a]
    for s, left, right in triplets[:rank]:
        b = [[s * left[i * y + j] for j in range(y)] for i in range(x)]
        c = [[right[k * v + m] for m in range(v)] for k in range(u)]
        for i, row in enumerate(kronecker_product(b, c)):
            for j, value in enumerate(row):
                total[i][j] += value
    return total, [s for s, _, _ in triplets]
