"""Yeh et al. (2024): W + scale C (x) (B A), entry by entry."""

from oracles.compress import product


def lokr(w, c, b, a, *, scale):
    """Lists w (p, q), c (x, y), b (u, r), a (r, v) with p = x u and q = y v; returns (p, q)."""
    second = product(b, a)
    u, v = len(second), len(second[0])
    return [
        [entry + scale * c[i // u][j // v] * second[i % u][j % v] for j, entry in enumerate(row)]
        for i, row in enumerate(w)
    ]
