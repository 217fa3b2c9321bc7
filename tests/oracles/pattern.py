"""Child et al. 2019, "factorized self-attention": query i attends to the keys of a set S_i, one pair at a time."""

import math


def pattern_attention(q, k, v, *, pairs, scale=None):
    """Lists q (n, d), k (m, d), v (m, e); pairs is a set of (i, j). Returns o (n, e), zeros where S_i is empty."""
    d, e = len(q[0]), len(v[0]) if v else 0
    scale = 1 / math.sqrt(d) if scale is None else scale
    outputs = []
    for i in range(len(q)):
        logits = {j: scale * sum(q[i][c] * k[j][c] for c in range(d)) for j in range(len(k)) if (i, j) in pairs}
        top = max(logits.values(), default=0)
        weights = {j: math.exp(logit - top) for j, logit in logits.items()}
        total = math.fsum(weights.values()) or 1.0
        outputs.append([math.fsum(w * v[j][c] for j, w in weights.items()) / total for c in range(e)])
    return outputs
