"""Parmar et al. 2018, section 3.3, "1D local attention": query blocks and their memory blocks, one pair at a time.

The sequence is cut into blocks of l_q queries. The memory of a block is its own positions and l_m positions before it;
a position attends to those of its memory that come no later. In an encoder, where nothing is generated, the memory
reaches l_m positions to both sides, as in the authors' code.
"""

import math


def local_1d_attention(q, k, v, *, block, memory, causal=False, mask=None, scale=None):
    """Lists q and k (n, d), v (n, e), mask (n, n); returns o (n, e)."""
    n, d, e = len(q), len(q[0]), len(v[0])
    scale = 1 / math.sqrt(d) if scale is None else scale
    outputs = [None] * n
    for start in range(0, n, block):
        positions = range(start, min(start + block, n))
        if causal:
            stored = range(max(0, start - memory), positions.stop)
        else:
            stored = range(max(0, start - memory), min(n, start + block + memory))
        for i in positions:
            weights = {}
            for j in stored:
                if (not causal or j <= i) and (mask is None or mask[i][j]):
                    weights[j] = math.exp(scale * sum(q[i][c] * k[j][c] for c in range(d)))
            total = math.fsum(weights.values()) or 1.0
            outputs[i] = [math.fsum(w * v[j][c] for j, w in weights.items()) / total for c in range(e)]
    return outputs
