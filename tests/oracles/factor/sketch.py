"""Sketches and transforms entry by entry, from their definitions."""

import cmath
import itertools
import math


def hadamard(n):
    """Sylvester's matrix: entry (i, j) is -1 to the number of ones that i and j have in common, bit by bit."""
    return [[(-1.0) ** (i & j).bit_count() for j in range(n)] for i in range(n)]


def product(a, x):
    """The matrix a times the vector x."""
    return [math.fsum(entry * number for entry, number in zip(row, x, strict=True)) for row in a]


def srht(x, signs, kept):
    """Ailon and Chazelle: signs, Hadamard, some of the entries over the root of their number."""
    full = 1
    while full < len(x):
        full *= 2
    padded = [s * number for s, number in zip(signs, x, strict=True)] + [0.0] * (full - len(x))
    spread = product(hadamard(full), padded)
    return [spread[k] / math.sqrt(len(kept)) for k in kept]


def count_sketch(x, buckets, signs, r):
    """Charikar, Chen and Farach-Colton: every entry, with its sign, into its bucket."""
    out = [0.0] * r
    for number, bucket, sign in zip(x, buckets, signs, strict=True):
        out[bucket] += sign * number
    return out


def tensor_sketch(x, buckets, signs, r):
    """Pham and Pagh: the CountSketch of all products of t entries, buckets added modulo r, signs multiplied."""
    out = [0.0] * r
    for places in itertools.product(range(len(x)), repeat=len(buckets)):
        bucket = sum(h[i] for h, i in zip(buckets, places, strict=True)) % r
        out[bucket] += math.prod(s[i] * x[i] for s, i in zip(signs, places, strict=True))
    return out


def convolved(parts):
    """The same by discrete Fourier transforms: the transform of a circular convolution is the product of those."""
    r = len(parts[0])
    roots = [cmath.exp(-2j * cmath.pi * k / r) for k in range(r)]
    spectrum = [
        math.prod((sum(c * roots[k * i % r] for i, c in enumerate(p)) for p in parts), start=1) for k in range(r)
    ]
    return [(sum(s * roots[k * i % r].conjugate() for k, s in enumerate(spectrum)) / r).real for i in range(r)]


def fastfood(x, length, normal, order, signs):
    """Le, Sarlos and Smola: one block of L H G Pi H B x / (sqrt(P) |g|)."""
    full = len(signs)
    padded = [s * number for s, number in zip(signs, list(x) + [0.0] * (full - len(x)), strict=True)]
    spread = product(hadamard(full), padded)
    mixed = [g * spread[place] for g, place in zip(normal, order, strict=True)]
    size = math.sqrt(full * math.fsum(g * g for g in normal))
    return [s * number / size for s, number in zip(length, product(hadamard(full), mixed), strict=True)]
