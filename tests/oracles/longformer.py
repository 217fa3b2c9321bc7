"""Beltagy et al. 2020, section 3.1: a window, and global tokens that see and are seen by all, one pair at a time."""

import math


def longformer_attention(q, k, v, *, window, global_tokens, own, dilation=1, causal=False, mask=None, scale=None):
    """Lists q and k (n, d), v (n, e); mask (n, n); own = (q, k, v) for the rows of the global tokens.

    Returns o (n, e).
    """
    n, d, e = len(q), len(q[0]), len(v[0])
    scale = 1 / math.sqrt(d) if scale is None else scale
    outputs = []
    for i in range(n):
        a, b, c = own if i in global_tokens else (q, k, v)
        weights = {}
        for j in range(n):
            if (causal and j > i) or (mask is not None and not mask[i][j]):
                continue
            near = abs(i - j) <= window * dilation and (i - j) % dilation == 0
            if i in global_tokens or j in global_tokens or near:
                weights[j] = math.exp(scale * sum(a[i][x] * b[j][x] for x in range(d)))
        total = math.fsum(weights.values()) or 1.0
        outputs.append([math.fsum(w * c[j][x] for j, w in weights.items()) / total for x in range(e)])
    return outputs
