"""Sukhbaatar et al. 2019, "adaptive attention span": a soft mask on distances, one pair at a time.

m_z(x) = min(max((R + z - x) / R, 0), 1)
a_tr = m_z(t - r) exp(s_tr) / sum_{q = t - S}^{t - 1} m_z(t - q) exp(s_tq)
"""

import math


def adaptive_span_attention(q, k, v, z, *, window, ramp, own=False, mask=None, scale=None):
    """Lists q and k (n, d), v (n, e), z (n,), mask (n, n); returns o (n, e)."""
    n, d, e = len(q), len(q[0]), len(v[0])
    scale = 1 / math.sqrt(d) if scale is None else scale
    outputs = []
    for t in range(n):
        weights = {}
        for r in range(max(0, t - window), t + 1 if own else t):
            soft = min(max((ramp + z[t] - (t - r)) / ramp, 0), 1)
            if mask is None or mask[t][r]:
                weights[r] = soft * math.exp(scale * sum(q[t][c] * k[r][c] for c in range(d)))
        total = math.fsum(weights.values()) or 1.0
        outputs.append([math.fsum(w * v[r][c] for r, w in weights.items()) / total for c in range(e)])
    return outputs
