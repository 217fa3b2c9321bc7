"""Luong, Pham and Manning 2015, section 3.2, local-m: softmax over the window around the position t."""

import math


def local_monotonic_attention(a, v, *, window, mask=None, causal=False):
    """Scores a (n, m) and values v (m, e); returns o (n, e)."""
    n, m = len(a), len(v)
    outputs = []
    for t in range(n):
        places = [s for s in range(t - window, t + window + 1) if 0 <= s < m]
        places = [s for s in places if (mask is None or mask[t][s]) and not (causal and s > t + m - n)]
        weights = {s: math.exp(a[t][s]) for s in places}
        total = math.fsum(weights.values())
        outputs.append([math.fsum(w / total * v[s][x] for s, w in weights.items()) for x in range(len(v[0]))])
    return outputs
