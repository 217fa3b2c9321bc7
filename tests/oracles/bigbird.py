"""Zaheer et al. 2020, section 2 and "internal transformer construction": a graph on blocks, one pair at a time.

Query i attends to key j if their blocks are at most `window` apart, if the block of j is one of the random ones of the
block of i, if i is global, or if j is.
"""

import math


def bigbird_attention(q, k, v, *, block, window, global_tokens, table, causal=False, mask=None, scale=None):
    """Lists q and k (n, d), v (n, e), mask (n, n); table[I] holds the random blocks of block I. Returns o (n, e)."""
    n, d, e = len(q), len(q[0]), len(v[0])
    scale = 1 / math.sqrt(d) if scale is None else scale
    outputs = []
    for i in range(n):
        weights = {}
        for j in range(n):
            own, other = i // block, j // block
            near = abs(own - other) <= window
            joined = near or other in table[own] or i in global_tokens or j in global_tokens
            if joined and (not causal or j <= i) and (mask is None or mask[i][j]):
                weights[j] = math.exp(scale * sum(q[i][c] * k[j][c] for c in range(d)))
        total = math.fsum(weights.values()) or 1.0
        outputs.append([math.fsum(w * v[j][c] for j, w in weights.items()) / total for c in range(e)])
    return outputs
