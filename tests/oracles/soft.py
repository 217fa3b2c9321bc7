"""Bahdanau, Cho and Bengio 2015, section 3.1: an alignment model, its softmax, and the expected annotation."""

import math


def soft_attention(q, k, v, w_q, w_k, w, b=None, *, mask=None, causal=False):
    """Lists q (n, d), k (m, c), v (m, e), w_q (a, d), w_k (a, c), w and b (a); returns o (n, e)."""
    n, m = len(q), len(k)
    outputs = []
    for i in range(n):
        weights = {}
        for j in range(m):
            if (mask is not None and not mask[i][j]) or (causal and j > i + m - n):
                continue
            energy = 0.0
            for unit in range(len(w)):
                from_query = math.fsum(w_q[unit][x] * q[i][x] for x in range(len(q[0])))
                from_key = math.fsum(w_k[unit][x] * k[j][x] for x in range(len(k[0])))
                energy += w[unit] * math.tanh(from_query + from_key + (0.0 if b is None else b[unit]))
            weights[j] = math.exp(energy)
        total = math.fsum(weights.values())
        outputs.append([math.fsum(p / total * v[j][x] for j, p in weights.items()) for x in range(len(v[0]))])
    return outputs
