"""Sukhbaatar et al. 2019: one softmax over the context and the persistent vectors, one query at a time."""

import math


def persistent_attention(q, k, v, k_persistent, v_persistent, *, seen, causal, scale=None):
    """Lists q (n, d), k (m, d), v (m, e), k_persistent (l, d), v_persistent (l, e); returns o (n, e)."""
    n, m, d, e = len(q), len(k), len(q[0]), len(v[0])
    scale = 1 / math.sqrt(d) if scale is None else scale
    outputs = []
    for i in range(n):
        pairs = [(k[j], v[j]) for j in range(m) if (not causal or j <= i + m - n) and (seen is None or seen[i][j])]
        pairs += zip(k_persistent or [], v_persistent or [], strict=True)
        weights = [math.exp(scale * math.fsum(a * b for a, b in zip(q[i], key, strict=True))) for key, _ in pairs]
        total = math.fsum(weights) or 1.0
        outputs.append(
            [math.fsum(w * value[x] for w, (_, value) in zip(weights, pairs, strict=True)) / total for x in range(e)]
        )
    return outputs
