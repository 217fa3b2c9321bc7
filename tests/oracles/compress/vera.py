"""Equation 2 of Kopiczko et al. (2024): W + diag(b) B diag(d) A."""

import math


def vera(w, b, d, shared_b, shared_a):
    """Lists w (p, q), b (p), d (r), shared_b (p, r), shared_a (r, q); returns (p, q)."""
    return [
        [x + b[i] * math.fsum(shared_b[i][k] * d[k] * shared_a[k][j] for k in range(len(d))) for j, x in enumerate(row)]
        for i, row in enumerate(w)
    ]
