"""Shen et al. 2018: f(x_i, x_j) = W^T sigma(W1 x_i + W2 x_j + b1), its softmax over i for every feature.

The paper's i is attended to, its j attends; the directional block has sigma(z) = c tanh(z / c) and W = I.
"""

import math


def multidimensional_attention(x, w_1, w_2, b_1, w, *, sigma, seen=lambda i, j: True):
    """Lists x (n, c), matrices (c, c), b_1 (c); w None for the identity; seen(j, i): whether j attends to i."""
    n, c = len(x), len(x[0])

    def layer(m, row):
        return [math.fsum(m[a][f] * row[f] for f in range(c)) for a in range(c)]

    outputs = []
    for j in range(n):
        logits = {}
        for i in range(n):
            if seen(j, i):
                first, second = layer(w_1, x[i]), layer(w_2, x[j])
                hidden = [sigma(first[a] + second[a] + b_1[a]) for a in range(c)]
                logits[i] = hidden if w is None else layer(w, hidden)
        row = []
        for f in range(c):
            weights = {i: math.exp(logit[f]) for i, logit in logits.items()}
            total = math.fsum(weights.values())
            row.append(math.fsum(p * x[i][f] for i, p in weights.items()) / (total or 1.0))
        outputs.append(row)
    return outputs
