"""Shen et al. 2021: softmax over the features of a query times softmax over the positions, number by number.

Where query i sees some keys only, rho_k is taken over these.
"""

import math


def efficient_attention(q, k, v, *, mask=None, causal=False):
    """Lists q (n, d), k (m, d), v (m, e), mask (n, m); returns o (n, e). Query i sees keys j <= i + m - n if causal."""
    n, m, d, e = len(q), len(k), len(q[0]), len(v[0])
    outputs = []
    for i in range(n):
        keys = [j for j in range(m) if (not causal or j <= i + m - n) and (mask is None or mask[i][j])]
        total_q = math.fsum(math.exp(x) for x in q[i])
        row = [0.0] * e
        for c in range(d):
            total_k = math.fsum(math.exp(k[j][c]) for j in keys)
            for j in keys:
                weight = math.exp(q[i][c]) / total_q * math.exp(k[j][c]) / total_k
                row = [old + weight * new for old, new in zip(row, v[j], strict=True)]
        outputs.append(row)
    return outputs
