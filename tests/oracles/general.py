"""Chaudhari et al. 2021, the attention model: a weighted mean whose weights are a distribution of scores."""

import math


def general_attention(a, v, p, *, mask=None, bias=None, causal=False):
    """Scores a (n, m), values v (m, e), p from a list of scores to a list of weights; returns o (n, e).

    A pair that is not seen has the score -inf.
    """
    n, m = len(a), len(v)
    outputs = []
    for i in range(n):
        row = []
        for j in range(m):
            seen = (mask is None or mask[i][j]) and not (causal and j > i + m - n)
            row.append(a[i][j] + (0.0 if bias is None else bias[i][j]) if seen else -math.inf)
        weights = p(row)
        outputs.append([math.fsum(weights[j] * v[j][x] for j in range(m)) for x in range(len(v[0]))])
    return outputs
