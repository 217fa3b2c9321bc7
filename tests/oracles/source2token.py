"""Shen et al. 2018: f(x_i) = W^T sigma(W1 x_i + b1), its softmax over i for every feature, and the weighted sum."""

import math


def source2token_attention(x, w_1, w, b_1, *, sigma, there=None):
    """Lists x (n, c), w_1 (a, c), w (c, a), b_1 (a); returns (c,)."""
    c, a = len(w), len(w_1)
    rows = [row for i, row in enumerate(x) if there is None or there[i]]
    hidden = [[sigma(math.fsum(w_1[h][f] * row[f] for f in range(c)) + b_1[h]) for h in range(a)] for row in rows]
    output = []
    for f in range(c):
        weights = [math.exp(math.fsum(w[f][h] * layer[h] for h in range(a))) for layer in hidden]
        total = math.fsum(weights)
        output.append(math.fsum(p * row[f] for p, row in zip(weights, rows, strict=True)) / (total or 1.0))
    return output
