"""Xu et al. 2015, stochastic "hard" attention: one location a step, drawn from the weights, or the most likely one."""

import math


def hard_attention(a, v, u=None, *, mask=None, causal=False):
    """Scores a (n, m), values v (m, e), numbers u (n) in [0, 1) or None for the largest score; returns o (n, e)."""
    n, m = len(a), len(v)
    outputs = []
    for i in range(n):
        keys = [j for j in range(m) if (mask is None or mask[i][j]) and not (causal and j > i + m - n)]
        if not keys:
            outputs.append([0.0] * len(v[0]))
            continue
        top = max(a[i][j] for j in keys)
        if u is None:
            chosen = next(j for j in keys if a[i][j] == top)
        else:
            weights = [math.exp(a[i][j] - top) for j in keys]
            reached, chosen = 0.0, keys[-1]
            for j, weight in zip(keys, weights, strict=True):
                reached += weight / math.fsum(weights)
                if u[i] < reached:
                    chosen = j
                    break
        outputs.append(v[chosen])
    return outputs
