"""Child et al. 2019, "two-dimensional factorized attention": the strided pattern, one pair at a time.

A1_i = {t, t + 1, .., i} with t = max(0, i - l),   A2_i = {j : (i - j) mod l = 0},   all j <= i
"""

import math


def strided_attention(q, k, v, *, stride, part="merged", mask=None, scale=None):
    """Lists q and k (n, d), v (n, e), mask (n, n); returns o (n, e)."""
    n, d, e = len(q), len(q[0]), len(v[0])
    scale = 1 / math.sqrt(d) if scale is None else scale
    outputs = []
    for i in range(n):
        first = set(range(max(0, i - stride), i + 1))
        second = {j for j in range(i + 1) if (i - j) % stride == 0}
        chosen = {"local": first, "strided": second, "merged": first | second}[part]
        weights = {}
        for j in sorted(chosen):
            if mask is None or mask[i][j]:
                weights[j] = math.exp(scale * sum(q[i][c] * k[j][c] for c in range(d)))
        total = math.fsum(weights.values()) or 1.0
        outputs.append([math.fsum(w * v[j][c] for j, w in weights.items()) / total for c in range(e)])
    return outputs
