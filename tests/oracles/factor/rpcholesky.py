"""Pivoted Cholesky on the whole residual: A <- A - a_:s a_s: / a_ss (Chen, Epperly, Tropp and Webber 2022)."""

import math


def rpcholesky(a, chances=None, *, rank=None):
    """List a (p, p) of rows and a chance in 0 .. 1 a step, or a rank for greedy pivots: pivots, and the residual."""
    p, left, pivots = len(a), [list(row) for row in a], []
    for chance in chances if rank is None else [None] * rank:
        diagonal = [0.0 if i in pivots else max(left[i][i], 0.0) for i in range(p)]
        if chance is None:
            s = max(range(p), key=lambda i: diagonal[i])
        else:
            goal = chance * math.fsum(diagonal)
            s = next(i for i in range(p) if math.fsum(diagonal[: i + 1]) > goal)
        left = [[left[i][j] - left[i][s] * left[s][j] / left[s][s] for j in range(p)] for i in range(p)]
        pivots.append(s)
    return pivots, left
