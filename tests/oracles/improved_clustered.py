"""Vyas et al. 2020, section 3, improved clustered attention: exact weights for the keys that a cluster likes best."""

import math

from oracles.clustered import dot, mean_queries, softmax, weighted


def improved_clustered_attention(q, k, v, hashes, *, clusters, top, iterations=10, mask=None, scale=None):
    """Lists q (n, d), k (m, d), v (m, e), hashes (s, d), mask (n, m) of booleans; returns o (n, e)."""
    n, m = len(q), len(k)
    scale = 1 / math.sqrt(len(q[0])) if scale is None else scale
    mask = mask or [[True] * m for _ in range(n)]
    means, _ = mean_queries(q, hashes, clusters=clusters, iterations=iterations, mask=mask)
    outputs = []
    for i, mean in enumerate(means):
        logits = [scale * dot(mean, k[j]) for j in range(m)]
        some = [any(mask[z][j] for z in range(n)) for j in range(m)]
        order = sorted(range(m), key=lambda j: (not some[j], -logits[j] if some[j] else 0.0, j))
        best = set(order[:top])
        weights = softmax({j: logits[j] for j in range(m) if mask[i][j]})
        mass = math.fsum(w for j, w in weights.items() if j in best)
        exact = softmax({j: scale * dot(q[i], k[j]) for j in weights if j in best})
        outputs.append(weighted({j: mass * exact[j] if j in best else w for j, w in weights.items()}, v))
    return outputs
