"""Zhou et al. 2021, algorithm 1: the queries with the sharpest attention attend, the others take a mean; and distilling."""

import math


def informer_attention(q, k, v, *, sampled, top, lazy="mean", causal=False, mask=None, scale=None):
    """Lists q (n, d), k (m, d), v (m, e), positions of sampled keys, mask (n, m) of booleans; returns o (n, e)."""
    n, m, d, e = len(q), len(k), len(q[0]), len(v[0])
    scale = 1 / math.sqrt(d) if scale is None else scale
    mask = mask or [[True] * m for _ in range(n)]
    logit = [[scale * sum(q[i][a] * k[j][a] for a in range(d)) for j in range(m)] for i in range(n)]
    sharpness = []  # max - mean over all keys that the mask shows, those that are not sampled counted as zero
    for i in range(n):
        some = [logit[i][j] for j in sampled if mask[i][j]]
        sharpness.append(max(some) - math.fsum(some) / sum(mask[i]) if some else -math.inf)
    chosen = sorted(range(n), key=lambda i: (-sharpness[i], i))[:top]
    outputs = []
    for i in range(n):
        seen = [j for j in range(m) if mask[i][j] and not (causal and j > i + m - n)]
        if i in chosen:
            highest = max((logit[i][j] for j in seen), default=0.0)
            weights = [math.exp(logit[i][j] - highest) for j in seen]
            total = math.fsum(weights) or 1.0
        else:
            weights, total = [1.0] * len(seen), {"mean": len(seen) or 1, "sum": 1}[lazy]
        outputs.append([math.fsum(w * v[j][c] for w, j in zip(weights, seen, strict=True)) / total for c in range(e)])
    return outputs


def distil(x, w, bias=None, *, padding="circular"):
    """Equation 5: max-pooling (width 3, stride 2) of ELU of a convolution; lists x (n, c), w (f, c, p), bias (f)."""
    n, p = len(x), len(w[0][0])
    bias = bias or [0.0] * len(w)

    def token(i):
        if 0 <= i < n or padding == "circular":
            return x[i % n]
        return [0.0] * len(x[0])

    y = []
    for i in range(n):
        row = []
        for f, filters in enumerate(w):
            total = bias[f] + math.fsum(
                filters[c][z] * token(i + z - p // 2)[c] for c in range(len(x[0])) for z in range(p)
            )
            row.append(total if total > 0 else math.expm1(total))
        y.append(row)
    return [
        [max(y[z][f] for z in range(max(2 * i - 1, 0), min(2 * i + 2, n))) for f in range(len(w))]
        for i in range((n + 1) // 2)
    ]
