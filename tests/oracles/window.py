"""Beltagy et al. 2020, section 3.1: a sliding window, one pair at a time."""

import math


def window_attention(q, k, v, *, window, causal=False, mask=None, scale=None):
    """Lists q and k (n, d), v (n, e), mask (n, n); returns o (n, e). Query i sees keys j with |i - j| <= window."""
    n, d, e = len(q), len(q[0]), len(v[0])
    scale = 1 / math.sqrt(d) if scale is None else scale
    outputs = []
    for i in range(n):
        weights = {}
        for j in range(n):
            if abs(i - j) <= window and not (causal and j > i) and (mask is None or mask[i][j]):
                weights[j] = math.exp(scale * sum(q[i][c] * k[j][c] for c in range(d)))
        total = math.fsum(weights.values()) or 1.0
        outputs.append([math.fsum(w * v[j][c] for j, w in weights.items()) / total for c in range(e)])
    return outputs
