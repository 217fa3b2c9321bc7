"""Katharopoulos et al. 2020, sections 3.2 (phi = elu + 1) and 3.3 (causal), one number at a time."""

import math


def phi(x):
    """The feature map elu(x) + 1."""
    return x + 1 if x > 0 else math.exp(x)


def linear_attention(q, k, v, *, shown=None, causal=False):
    """Lists q (n, d), k (m, d), v (m, e), shown (m); returns o (n, e). Query i sees keys j <= i + m - n if causal."""
    n, m, d, e = len(q), len(k), len(q[0]), len(v[0])
    outputs = []
    for i in range(n):
        keys = [j for j in range(m) if (not causal or j <= i + m - n) and (shown is None or shown[j])]
        weights = {j: math.fsum(phi(q[i][c]) * phi(k[j][c]) for c in range(d)) for j in keys}
        total = math.fsum(weights.values())
        outputs.append([math.fsum(w * v[j][c] for j, w in weights.items()) / total if keys else 0.0 for c in range(e)])
    return outputs
