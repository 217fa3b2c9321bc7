"""Hierarchical butterfly factorization by recursion (Zheng, Riccietti and Gribonval 2021), with Jacobi rotations."""

import math

from oracles.lowrank import singular_triplets


def project(a, rows, columns):
    """The matrix that the splits leave, from the last digit to the first; radices are given first to last.

    For each last digit e of the row number and leading digits j of the column number, the entries over the leading
    digits of the row and the last digit of the column become rank one: s u r. The matrices (s u)^e over i and j are
    then butterflies of one digit less.
    """
    if len(rows) == 1:
        return a
    x, y = rows[-1], columns[-1]
    m, n = len(a) // x, len(a[0]) // y
    out = [[0.0] * len(a[0]) for _ in a]
    for e in range(x):
        lefts, rights = [[0.0] * n for _ in range(m)], []
        for j in range(n):
            s, u, v = singular_triplets([[a[i * x + e][j * y + f] for f in range(y)] for i in range(m)])[0]
            for i in range(m):
                lefts[i][j] = s * u[i]
            rights.append(v)
        lefts = project(lefts, rows[:-1], columns[:-1])
        for i in range(m):
            for j in range(n):
                for f in range(y):
                    out[i * x + e][j * y + f] = lefts[i][j] * rights[j][f]
    return out


def stage_matrix(blocks):
    """The matrix of a stage, blocks[g][h][i][j] in row (g, i, h) and column (g, j, h)."""
    g, h, x, y = len(blocks), len(blocks[0]), len(blocks[0][0]), len(blocks[0][0][0])
    out = [[0.0] * (g * y * h) for _ in range(g * x * h)]
    for at_g in range(g):
        for at_h in range(h):
            for i in range(x):
                for j in range(y):
                    out[(at_g * x + i) * h + at_h][(at_g * y + j) * h + at_h] = blocks[at_g][at_h][i][j]
    return out


def fourier(n):
    """The DFT matrix."""
    return [[complex(math.cos(t := -2 * math.pi * (i * j % n) / n), math.sin(t)) for j in range(n)] for i in range(n)]


def hadamard(n):
    """Sylvester's Hadamard matrix: minus one to the number of ones that the binary digits of i and j share."""
    return [[(-1.0) ** (i & j).bit_count() for j in range(n)] for i in range(n)]


def reverse_bits(number, bits):
    """The number whose binary digits are those of `number` read backwards."""
    return int(format(number, f"0{bits}b")[::-1], 2) if bits else 0
