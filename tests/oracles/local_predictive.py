"""Luong, Pham and Manning 2015, section 3.2, local-p: a predicted position, a window, a softmax and a Gaussian."""

import math


def local_predictive_attention(q, a, v, w_p, v_p, lengths=None, *, window, sigma=None, mask=None, causal=False):
    """Lists q (n, d), scores a (n, m), v (m, e), w_p (a, d), v_p (a), lengths (n); returns o (n, e)."""
    n, m = len(a), len(v)
    sigma = window / 2 if sigma is None else sigma
    outputs = []
    for t in range(n):
        hidden = [math.tanh(math.fsum(x * y for x, y in zip(row, q[t], strict=True))) for row in w_p]
        share = 1 / (1 + math.exp(-math.fsum(x * y for x, y in zip(v_p, hidden, strict=True))))
        p = (m if lengths is None else lengths[t]) * share
        places = [s for s in range(m) if p - window <= s <= p + window]
        places = [s for s in places if (mask is None or mask[t][s]) and not (causal and s > t + m - n)]
        weights = {s: math.exp(a[t][s]) for s in places}
        total = math.fsum(weights.values())
        weights = {s: w / total * math.exp(-((s - p) ** 2) / (2 * sigma**2)) for s, w in weights.items()}
        outputs.append([math.fsum(w * v[s][x] for s, w in weights.items()) for x in range(len(v[0]))])
    return outputs
