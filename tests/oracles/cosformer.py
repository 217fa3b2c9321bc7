"""Qin et al. 2022: s(q_i, k_j) = relu(q_i) . relu(k_j) cos(pi/2 (i - j) / M), pair by pair."""

import math


def cosformer_attention(q, k, v, *, length=None, shown=None, causal=False):
    """Lists q (n, d), k (m, d), v (m, e), shown (m); returns o (n, e). Query i is at position i + m - n."""
    n, m, e = len(q), len(k), len(v[0])
    length = max(n, m) if length is None else length
    outputs = []
    for i in range(n):
        weights = {}
        for j in range(m):
            if (causal and j > i + m - n) or (shown is not None and not shown[j]):
                continue
            similarity = math.fsum(max(a, 0.0) * max(b, 0.0) for a, b in zip(q[i], k[j], strict=True))
            weights[j] = similarity * math.cos(math.pi / 2 * (i + m - n - j) / length)
        total = math.fsum(weights.values())
        outputs.append([math.fsum(w * v[j][c] for j, w in weights.items()) / (total or 1.0) for c in range(e)])
    return outputs
