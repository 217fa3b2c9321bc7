"""Martins, Marinho and Martins 2022: density and mean of each query, and how the memory takes in new values."""

import math

from oracles.continuous_softmax import basis, mean_of_basis, mean_of_signal, normal, ridge, sequence_times


def density(q, k, w_mu, w_sigma, *, scale=None):
    """Lists q (d,), k (r, d), w_mu and w_sigma (r,): mean and standard deviation."""
    scale = 1 / math.sqrt(len(q)) if scale is None else scale
    scores = [scale * math.fsum(a * b for a, b in zip(row, q, strict=True)) for row in k]
    to_mu, to_sigma = (math.fsum(a * b for a, b in zip(w, scores, strict=True)) for w in (w_mu, w_sigma))
    return 1 / (1 + math.exp(-to_mu)), math.sqrt(math.log1p(math.exp(to_sigma)))


def infinite_former_attention(q, k, v, w_mu, w_sigma, *, widths, scale=None):
    """Lists q (n, d), k (r, d), v (r, e), w_mu and w_sigma (r,); returns o (n, e)."""
    mu, sigma = zip(*(density(row, k, w_mu, w_sigma, scale=scale) for row in q), strict=True)
    same = [[float(i == j) for j in range(len(v))] for i in range(len(v))]  # v are coefficients already
    return mean_of_signal(mean_of_basis, mu, sigma, v, same, widths)


def extend_memory(memory, x, *, rank, places, contraction, widths, penalty):
    """Lists memory (r, c) or None, x (m, c), places (p,); returns coefficients (r, c)."""
    m, c = len(x), len(x[0])
    old, times = [], sequence_times(m)
    if memory is not None:
        for t in places:
            psi = [normal(t, centre, s) for centre, s in basis(rank, widths)]
            old.append([math.fsum(psi[j] * memory[j][z] for j in range(rank)) for z in range(c)])
        times = [contraction * (i + 1) / len(places) for i in range(len(places))]
        times += [contraction + (1 - contraction) * (l + 1) / m for l in range(m)]
    values, g = old + x, ridge(times, rank, widths, penalty)
    return [[math.fsum(g[l][j] * values[l][z] for l in range(len(values))) for z in range(c)] for j in range(rank)]
