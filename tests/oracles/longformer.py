"""Beltagy et al. 2020, section 3.1: a window, and global tokens that see and are seen by all, one pair at a time."""

import math


def longformer_attention(q, k, v, *, window, global_tokens, own, causal=False, scale=None):
    """Lists q and k (n, d), v (n, e); own = (q, k, v) for the rows of the global tokens; returns o (n, e)."""
    n, d, e = len(q), len(q[0]), len(v[0])
    scale = 1 / math.sqrt(d) if scale is None else scale
    outputs = []
    for i in range(n):
        a, b, c = own if i in global_tokens else (q, k, v)
        weights = {}
        for j in range(n):
            if causal and j > i:
                continue
            if i in global_tokens or j in global_tokens or abs(i - j) <= window:
                weights[j] = math.exp(scale * sum(a[i][x] * b[j][x] for x in range(d)))
        total = math.fsum(weights.values())
        outputs.append([math.fsum(w * c[j][x] for j, w in weights.items()) / total for x in range(e)])
    return outputs
