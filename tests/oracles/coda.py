"""Tay et al. 2019: tanh of affinity times sigmoid of negative L1 distance, with both ways to reach from 0 to 1."""

import math


def coda_attention(q, k, v, q_n=None, k_n=None, *, alpha=None, beta=None, gate="scale", mask=None, causal=False):
    """Lists q (n, d), k (m, d), v (m, e), q_n (n, c), k_n (m, c); returns o (n, e)."""
    q_n, k_n = q if q_n is None else q_n, k if k_n is None else k_n
    alpha = 1 / math.sqrt(len(q[0])) if alpha is None else alpha
    beta = 1 / math.sqrt(len(q_n[0])) if beta is None else beta
    n, m = len(q), len(k)
    seen = [(i, j) for i in range(n) for j in range(m) if (mask is None or mask[i][j])]
    seen = [(i, j) for i, j in seen if not (causal and j > i + m - n)]
    e = {(i, j): alpha * math.fsum(x * y for x, y in zip(q[i], k[j], strict=True)) for i, j in seen}
    d = {(i, j): -beta * math.fsum(abs(x - y) for x, y in zip(q_n[i], k_n[j], strict=True)) for i, j in seen}
    mean = math.fsum(d.values()) / len(seen) if seen else 0.0

    def weight(pair):
        if gate == "scale":
            return math.tanh(e[pair]) * 2 / (1 + math.exp(-d[pair]))
        if gate == "plain":
            return math.tanh(e[pair]) / (1 + math.exp(-d[pair]))
        return math.tanh(e[pair]) / (1 + math.exp(-(d[pair] - mean)))

    return [
        [math.fsum(weight((i, j)) * v[j][x] for j in range(m) if (i, j) in e) for x in range(len(v[0]))]
        for i in range(n)
    ]
