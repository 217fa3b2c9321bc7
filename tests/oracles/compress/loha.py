"""Hyeon-Woo et al. (2022): W + scale (B_1 A_1) * (B_2 A_2), entry by entry."""

from oracles.compress import product


def loha(w, b_1, a_1, b_2, a_2, *, scale):
    """Lists w (p, q), b (p, r), a (r, q); returns (p, q)."""
    one, two = product(b_1, a_1), product(b_2, a_2)
    return [[x + scale * one[i][j] * two[i][j] for j, x in enumerate(row)] for i, row in enumerate(w)]
