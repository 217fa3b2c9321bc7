"""Martins et al. 2020: ridge regression in exact fractions, and the mean of the fitted signal by summing a density."""

import math
from fractions import Fraction


def normal(t, mean, deviation):
    return math.exp(-(((t - mean) / deviation) ** 2) / 2) / (deviation * math.sqrt(2 * math.pi))


def basis(r, widths):
    """(centre, width) of r functions: each width at each of as many centres as are needed, evenly over [0, 1]."""
    places = math.ceil(r / len(widths))
    centres = [x / (places - 1) for x in range(places)] if places > 1 else [0.5]
    return [(c, s) for c in centres for s in widths][:r]


def ridge(times, r, widths, penalty):
    """G (m, r) = F (F^T F + penalty I)^-1, with no rounding but that of F: Gauss-Jordan elimination in fractions."""
    f = [[Fraction(normal(t, c, s)) for c, s in basis(r, widths)] for t in times]
    gram = [
        [sum(row[i] * row[j] for row in f) + (Fraction(penalty) if i == j else 0) for j in range(r)] for i in range(r)
    ]
    rows = [gram[i] + [row[i] for row in f] for i in range(r)]  # gram | F^T
    for i in range(r):  # positive definite: no pivot is zero
        rows[i] = [x / rows[i][i] for x in rows[i]]
        for j in range(r):
            if j != i:
                rows[j] = [x - rows[j][i] * y for x, y in zip(rows[j], rows[i], strict=True)]
    return [[float(rows[i][r + l]) for i in range(r)] for l in range(len(times))]


def sequence_times(m):
    return [(l + 1) / m for l in range(m)]


def mean_of_basis(mu, sigma, c, s):
    """The integral of N(t; mu, sigma^2) psi(t) by equal steps, whose error falls faster than any power of the step.

    The product is a bell itself, of width w; steps of w / 3 leave an error of exp(-18 pi^2) of it. Times are told from
    mu, so that a narrow density loses no digits.
    """
    if sigma == 0:
        return normal(mu, c, s)
    sigma, apart = abs(sigma), mu - c
    w = sigma * s / math.hypot(sigma, s)
    middle = -apart * sigma * sigma / (s * s + sigma * sigma)
    times = [middle + x * w / 3 for x in range(-40, 41)]
    return math.fsum(normal(t, 0, sigma) * normal(apart + t, 0, s) for t in times) * w / 3


def mean_of_signal(mean, mu, sigma, v, g, widths):
    """Lists mu and sigma (n,), v (m, e), g (m, r): coefficients g^T v, then their sum with the means of the basis."""
    m, r, e = len(v), len(g[0]), len(v[0])
    b = [[math.fsum(g[l][j] * v[l][x] for l in range(m)) for x in range(e)] for j in range(r)]
    outputs = []
    for i in range(len(mu)):
        weights = [mean(mu[i], sigma[i], c, s) for c, s in basis(r, widths)]
        outputs.append([math.fsum(w * b[j][x] for j, w in enumerate(weights)) for x in range(e)])
    return outputs


def continuous_softmax_attention(mu, sigma, v, g, *, widths):
    """Lists mu and sigma (n,), v (m, e), g (m, r); returns o (n, e)."""
    return mean_of_signal(mean_of_basis, mu, sigma, v, g, widths)
