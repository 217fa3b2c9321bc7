"""Equation 5 of Liu et al. (2024): m V / |V|_c with V = W + B A, column by column; and the same of rows."""

import math

from oracles.compress.lora import lora


def column_lengths(v):
    """The norm of every column."""
    return [math.sqrt(math.fsum(row[j] ** 2 for row in v)) for j in range(len(v[0]))]


def dora(w, b, a, m, *, alpha, of="columns"):
    """Lists w (p, q), b (p, r), a (r, q), m (q) for columns, (p) for rows; returns (p, q)."""
    v = lora(w, b, a, alpha=alpha)
    if of == "columns":
        lengths = column_lengths(v)
        return [[m[j] * x / lengths[j] for j, x in enumerate(row)] for row in v]
    lengths = column_lengths([list(column) for column in zip(*v, strict=True)])
    return [[m[i] * x / lengths[i] for x in row] for i, row in enumerate(v)]
