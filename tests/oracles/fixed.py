"""Child et al. 2019, "two-dimensional factorized attention": the fixed pattern, one pair at a time.

    A1_i = {j : floor(j / l) = floor(i / l)},   A2_i = {j : j mod l in {l - c, .., l - 1}},   all j <= i

(The paper writes {t, .., l} with t = l - c; no remainder is l.)
"""

import math


def fixed_attention(q, k, v, *, stride, summary, part="merged", mask=None, scale=None):
    """Lists q and k (n, d), v (n, e), mask (n, n); returns o (n, e)."""
    n, d, e = len(q), len(q[0]), len(v[0])
    scale = 1 / math.sqrt(d) if scale is None else scale
    outputs = []
    for i in range(n):
        first = {j for j in range(i + 1) if math.floor(j / stride) == math.floor(i / stride)}
        second = {j for j in range(i + 1) if j % stride in range(stride - summary, stride)}
        chosen = {"local": first, "summary": second, "merged": first | second}[part]
        weights = {}
        for j in sorted(chosen):
            if mask is None or mask[i][j]:
                weights[j] = math.exp(scale * sum(q[i][c] * k[j][c] for c in range(d)))
        total = math.fsum(weights.values()) or 1.0
        outputs.append([math.fsum(w * v[j][c] for j, w in weights.items()) / total for c in range(e)])
    return outputs
