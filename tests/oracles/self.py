"""Vaswani et al. 2017, sections 3.2.1 and 3.2.3: a sequence asks itself, one number at a time."""

import math


def self_attention(x, w_q, w_k, w_v, *, scale=None, seen=lambda i, j: True):
    """Lists x (n, c), w_q and w_k (d, c), w_v (e, c); `seen(i, j)` says which pairs there are; returns o (n, e)."""
    n, scale = len(x), 1 / math.sqrt(len(w_q)) if scale is None else scale

    def layer(w, row):
        return [math.fsum(a * b for a, b in zip(out, row, strict=True)) for out in w]

    q, k, v = ([layer(w, row) for row in x] for w in (w_q, w_k, w_v))
    outputs = []
    for i in range(n):
        weights = {}
        for j in range(n):
            if seen(i, j):
                weights[j] = math.exp(scale * math.fsum(a * b for a, b in zip(q[i], k[j], strict=True)))
        total = math.fsum(weights.values())
        outputs.append([math.fsum(p * v[j][f] for j, p in weights.items()) / (total or 1.0) for f in range(len(w_v))])
    return outputs
