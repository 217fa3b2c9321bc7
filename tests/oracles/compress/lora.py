"""Equation 3 of Hu et al. (2021): W + (alpha / r) B A."""

from oracles.compress import added, product


def lora(w, b, a, *, alpha):
    """Lists w (p, q), b (p, r), a (r, q); returns (p, q)."""
    return added(w, product(b, a), alpha / len(a))
