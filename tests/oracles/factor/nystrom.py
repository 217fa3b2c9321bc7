"""The Nystrom approximation (Williams and Seeger 2001): C W^-1 C^T."""

from oracles.factor.selection import columns, product, solve, transpose


def nystrom(a, landmarks):
    """List a (p, p) of rows, and the numbers of the columns: the approximation (p, p)."""
    c = columns(a, landmarks)
    return product(c, solve([c[i] for i in landmarks], transpose(c)))
