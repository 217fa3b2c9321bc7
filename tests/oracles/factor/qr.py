"""The thin QR factorization by Gram and Schmidt: R has a positive diagonal."""

from oracles.factor.selection import orthonormal, product, transpose


def qr(a):
    """List a (p, q) of rows, of full rank: q (p, k) and r (k, q), k = min(p, q)."""
    k = min(len(a), len(a[0]))
    basis = orthonormal([row[:k] for row in a])
    return transpose(basis), product(basis, a)
