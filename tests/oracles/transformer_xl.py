"""Dai et al. 2019, section 3.3: the terms (a) to (d) of each logit, one pair at a time."""

import math


def position(t, w_sin, w_cos):
    """The vector r_t: sines and cosines of distance t, projected by W_kR = [w_sin; w_cos]."""
    waves = [1 / 10000 ** (2 * z / (2 * len(w_sin))) for z in range(len(w_sin))]
    d = len(w_sin[0])
    return [
        math.fsum(math.sin(t * f) * s[x] + math.cos(t * f) * c[x] for f, s, c in zip(waves, w_sin, w_cos, strict=True))
        for x in range(d)
    ]


def dot(x, y):
    return math.fsum(a * b for a, b in zip(x, y, strict=True))


def relative_attention(q, keys, values, w_sin, w_cos, *, u, v, seen, causal, scale=None):
    """Lists q (n, d), keys (m, d), values (m, e) of which the last n are the segment's; u and v (d,)."""
    n, m, d, e = len(q), len(keys), len(q[0]), len(values[0])
    scale = 1 / math.sqrt(d) if scale is None else scale
    outputs = []
    for i in range(n):
        weights = {}
        for j in range(m):
            distance = (m - n + i) - j
            if (causal and distance < 0) or (seen is not None and not seen[i][j]):
                continue
            r = position(distance, w_sin, w_cos)
            logit = dot(q[i], keys[j]) + dot(q[i], r)  # (a), (b)
            logit += 0 if u is None else dot(u, keys[j])  # (c)
            logit += 0 if v is None else dot(v, r)  # (d)
            weights[j] = math.exp(scale * logit)
        total = math.fsum(weights.values())
        outputs.append([math.fsum(w * values[j][x] for j, w in weights.items()) / (total or 1) for x in range(e)])
    return outputs


def transformer_xl_attention(q, k, v, w_sin, w_cos, k_memory, v_memory, *, u, v_bias, seen, causal, scale=None):
    """The same with lists k_memory (l, d) and v_memory (l, e) before those of the segment."""
    keys, values = (k_memory or []) + k, (v_memory or []) + v
    return relative_attention(q, keys, values, w_sin, w_cos, u=u, v=v_bias, seen=seen, causal=causal, scale=scale)
