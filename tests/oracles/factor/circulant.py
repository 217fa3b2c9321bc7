"""Circulant matrices by their definition, the nearest one (T. Chan 1988), and the DFT by its sum."""

import cmath
import math


def circulant_matrix(column):
    """C_ij = c_((i - j) mod n)."""
    n = len(column)
    return [[column[(i - j) % n] for j in range(n)] for i in range(n)]


def nearest_circulant(a):
    """First column of the circulant matrix nearest to a list of rows."""
    n = len(a)
    return [math.fsum(a[(j + k) % n][j] for j in range(n)) / n for k in range(n)]


def dft(x):
    """X_k = sum over j of x_j exp(-2 pi i j k / n)."""
    n = len(x)
    return [sum(x[j] * cmath.exp(-2j * cmath.pi * j * k / n) for j in range(n)) for k in range(n)]
