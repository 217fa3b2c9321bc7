"""Zhai et al. 2021: AFT-full, AFT-simple, AFT-local and AFT-conv, number by number."""

import math


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def aft_attention(q, k, v, w=None, *, window=None, mask=None, causal=False):
    """Lists q (n, e), k (m, e), v (m, e), w (n, m), mask (n, m); returns o (n, e). Query i is beside key i + m - n."""
    n, m, e = len(q), len(k), len(v[0])
    outputs = []
    for i in range(n):
        keys = [j for j in range(m) if (not causal or j <= i + m - n) and (mask is None or mask[i][j])]
        row = []
        for c in range(e):
            shares = {}
            for j in keys:
                near = w is not None and (window is None or abs(i + m - n - j) < window + 1)  # the paper's s
                shares[j] = math.exp(k[j][c] + (w[i][j] if near else 0.0))
            total = math.fsum(shares.values())
            mean = math.fsum(share * v[j][c] for j, share in shares.items()) / total if keys else 0.0
            row.append(sigmoid(q[i][c]) * mean)
        outputs.append(row)
    return outputs


def convolutional(q, k, v, u):
    """AFT-conv: sums over all keys, plus a convolution of e^k v and of e^k with e^u - 1; u (2 s + 1) for one head."""
    n, e, s = len(q), len(v[0]), len(u) // 2
    outputs = []
    for i in range(n):
        row = []
        for c in range(e):
            above = math.fsum(math.exp(k[j][c]) * v[j][c] for j in range(n))
            below = math.fsum(math.exp(k[j][c]) for j in range(n))
            for t in range(-s, s + 1):
                if 0 <= i + t < n:
                    above += (math.exp(u[t + s]) - 1) * math.exp(k[i + t][c]) * v[i + t][c]
                    below += (math.exp(u[t + s]) - 1) * math.exp(k[i + t][c])
            row.append(sigmoid(q[i][c]) * above / below)
        outputs.append(row)
    return outputs
