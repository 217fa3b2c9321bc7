"""Zhang et al. (2023): W + scale P diag(l) Q, the regulariser R(P, Q), averages of sensitivities, and importance."""

import math

from oracles.compress import added, diagonal, product


def adalora(w, left, values, right, *, scale):
    """Lists w (p, q), left (p, r), values (r), right (r, q); returns (p, q)."""
    return added(w, product(left, diagonal(values), right), scale)


def orthogonality(left, right):
    """|P^T P - I|_F^2 + |Q Q^T - I|_F^2."""
    columns = [list(column) for column in zip(*left, strict=True)]
    return math.fsum(
        (math.fsum(x * y for x, y in zip(one, other, strict=True)) - (i == j)) ** 2
        for rows in (columns, right)
        for i, one in enumerate(rows)
        for j, other in enumerate(rows)
    )


def sensitivities(steps, *, beta_1, beta_2):
    """The averages of |w g| and of its deviation, of one number, after steps (w, g)."""
    average = deviation = 0.0
    for w, g in steps:
        average = beta_1 * average + (1 - beta_1) * abs(w * g)
        deviation = beta_2 * deviation + (1 - beta_2) * abs(abs(w * g) - average)
    return average, deviation


def importance(left, values, right):
    """The score of every triplet, from sensitivities of P (p, r), l (r) and Q (r, q)."""
    return [
        values[i] + math.fsum(row[i] for row in left) / len(left) + math.fsum(right[i]) / len(right[i])
        for i in range(len(values))
    ]
