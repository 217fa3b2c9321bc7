"""Kalajdzievski (2023): W + (alpha / sqrt(r)) B A."""

import math

from oracles.compress import added, product


def rslora(w, b, a, *, alpha):
    """Lists w (p, q), b (p, r), a (r, q); returns (p, q)."""
    return added(w, product(b, a), alpha / math.sqrt(len(a)))
