"""The interpolative decomposition (Cheng et al. 2005): pivots, then all columns by least squares in those."""

from oracles.factor.rrqr import rrqr
from oracles.factor.selection import columns, product, solve, transpose


def interpolative(a, rank):
    """List a (p, q) of rows: pivots, and z (rank, q) by the normal equations of the chosen columns."""
    *_, pivots, _ = rrqr(a, rank)
    c = columns(a, pivots)
    return pivots, solve(product(transpose(c), c), product(transpose(c), a))
