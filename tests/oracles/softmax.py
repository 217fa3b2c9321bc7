"""Vaswani et al. 2017, equation 1, one number at a time, with the options of the library's notation page."""

import math


def softmax_attention(
    q, k, v, *, mask=None, bias=None, causal=False, offset=None, window=None, scale=None, softcap=None
):
    """Lists q (n, d), k (m, d), v (m, e), mask and bias (n, m); returns o (n, e) and log-sum-exp (n)."""
    n, m, d, e = len(q), len(k), len(q[0]), len(v[0])
    scale = 1 / math.sqrt(d) if scale is None else scale
    offset = m - n if offset is None else offset
    left, right = window if isinstance(window, tuple) else (window, window)
    outputs, logs = [], []
    for i in range(n):
        logits = {}
        for j in range(m):
            if causal and j > i + offset:
                continue
            if left is not None and j < i + offset - left:
                continue
            if right is not None and j > i + offset + right:
                continue
            if mask is not None and not mask[i][j]:
                continue
            a = scale * sum(q[i][c] * k[j][c] for c in range(d))
            if softcap is not None:
                a = softcap * math.tanh(a / softcap)
            if bias is not None:
                a += bias[i][j]
            if a != -math.inf:
                logits[j] = a
        if not logits:
            outputs.append([0.0] * e)
            logs.append(-math.inf)
            continue
        total = math.fsum(math.exp(a) for a in logits.values())
        outputs.append([math.fsum(math.exp(a) * v[j][c] for j, a in logits.items()) / total for c in range(e)])
        logs.append(math.log(total))
    return outputs, logs
