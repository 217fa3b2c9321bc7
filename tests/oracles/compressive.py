"""Rae et al. 2020: attention to three stretches of keys, the compression functions, queues and loss."""

import math

from oracles.transformer_xl import dot, relative_attention


def compressive_attention(
    q, k, v, w_sin, w_cos, k_memory, v_memory, k_compressed, v_compressed, *, u, v_bias, seen, causal, scale=None
):
    """Lists q, k (n, d), v (n, e), w_sin, w_cos (f, d), memories (l, ...) and (p, ...) or None; returns o (n, e)."""
    keys = (k_compressed or []) + (k_memory or []) + k
    values = (v_compressed or []) + (v_memory or []) + v
    return relative_attention(q, keys, values, w_sin, w_cos, u=u, v=v_bias, seen=seen, causal=causal, scale=scale)


def compress(x, rate, *, how, weight=None, bias=None, dilation=1, usage=None):
    """Lists x (m, c), weight (t, c, c), usage (m,); returns (m // rate, c)."""
    count, c = len(x) // rate, len(x[0]) if x else 0
    if how == "most used":
        by_use = sorted(range(len(x)), key=lambda j: (-usage[j], j))
        return [x[j] for j in sorted(by_use[:count])]
    outputs = []
    for block in range(count):
        rows = x[block * rate : (block + 1) * rate]
        if how == "mean":
            outputs.append([math.fsum(row[z] for row in rows) / rate for z in range(c)])
        elif how == "max":
            outputs.append([max(row[z] for row in rows) for z in range(c)])
        else:
            taps = len(weight)
            first = block * rate + math.floor((rate - 1 - (taps - 1) * dilation) / 2)  # the window is centred
            y = [0.0] * c if bias is None else list(bias)
            for tap in range(taps):
                at = first + tap * dilation
                if 0 <= at < len(x):
                    y = [y[z] + math.fsum(x[at][s] * weight[tap][s][z] for s in range(c)) for z in range(c)]
            outputs.append(y)
    return outputs


def remember(h, memory, compressed, *, memory_length, compressed_length, rate, how):
    """Algorithm 1, for memories of any length: a queue of states, which leave it block by block, then one of blocks."""
    memory, compressed = list(memory), list(compressed)
    for state in h:
        memory.append(state)
        if len(memory) >= memory_length + rate:
            compressed += compress([memory.pop(0) for _ in range(rate)], rate, how=how)
    while len(compressed) > compressed_length:
        compressed.pop(0)
    return memory, compressed


def attention(h, x, w_q, w_k, w_v):
    """By content alone: sigma((h Q)(x K)^T)(x V)."""

    def project(row, w):
        return [math.fsum(row[s] * w[s][z] for s in range(len(row))) for z in range(len(w[0]))]

    keys, values = [project(row, w_k) for row in x], [project(row, w_v) for row in x]
    outputs = []
    for row in h:
        query = project(row, w_q)
        weights = [math.exp(dot(query, key) / math.sqrt(len(query))) for key in keys]
        total = math.fsum(weights)
        outputs.append(
            [math.fsum(w * v[z] for w, v in zip(weights, values, strict=True)) / total for z in range(len(w_v[0]))]
        )
    return outputs


def reconstruction_loss(h, old, new, w_q, w_k, w_v):
    """The attention-reconstruction loss of one layer and one head."""
    before, after = attention(h, old, w_q, w_k, w_v), attention(h, new, w_q, w_k, w_v)
    return math.sqrt(
        math.fsum((a - b) ** 2 for x, y in zip(before, after, strict=True) for a, b in zip(x, y, strict=True))
    )
