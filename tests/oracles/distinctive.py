"""Vaswani et al. 2017, section 3.2.3, "encoder-decoder attention": x asks y, one number at a time."""

import math


def distinctive_attention(x, y, w_q, w_k, w_v, *, scale=None, seen=lambda i, j: True):
    """Lists x (n, c), y (m, a), w_q (d, c), w_k (d, a), w_v (e, a); returns o (n, e)."""
    d, e = len(w_q), len(w_v)
    scale = 1 / math.sqrt(d) if scale is None else scale
    outputs = []
    for i in range(len(x)):
        q = [math.fsum(w_q[f][a] * x[i][a] for a in range(len(x[i]))) for f in range(d)]
        total, sums = 0.0, [0.0] * e
        for j in range(len(y)):
            if not seen(i, j):
                continue
            k = [math.fsum(w_k[f][a] * y[j][a] for a in range(len(y[j]))) for f in range(d)]
            v = [math.fsum(w_v[f][a] * y[j][a] for a in range(len(y[j]))) for f in range(e)]
            weight = math.exp(scale * math.fsum(q[f] * k[f] for f in range(d)))
            total += weight
            sums = [s + weight * value for s, value in zip(sums, v, strict=True)]
        outputs.append([s / total if total else 0.0 for s in sums])
    return outputs
