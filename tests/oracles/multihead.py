"""Vaswani et al. 2017, section 3.2.2: heads one by one, then W^O; and what sharing keys among heads changes."""

import math


def softmax(logits):
    """Exponentials over their sum; zeros where every logit is -inf."""
    top = max(logits, default=-math.inf)
    if top == -math.inf:
        return [0.0] * len(logits)
    weights = [math.exp(a - top) for a in logits]
    total = math.fsum(weights)
    return [w / total for w in weights]


def times(w, x, b=None):
    """The matrix w times the vector x, plus b."""
    return [math.fsum(a * t for a, t in zip(row, x, strict=True)) + (b[r] if b else 0.0) for r, row in enumerate(w)]


def seen(i, j, n, m, *, mask, causal):
    """Whether query i sees key j."""
    return (mask is None or mask[i][j]) and (not causal or j <= i + m - n)


def multihead_attention(
    x, w_q, w_k, w_v, w_o, y=None, b_q=None, b_k=None, b_v=None, b_o=None, *,
    mask=None, bias=None, causal=False, scale=None, key_head=lambda head: head,
):  # fmt: skip
    """Lists x (n, c), weights (h, rows, columns), mask and bias (h, n, m); returns (n, c).

    Query head i uses key head `key_head(i)`: of w_k, w_v, b_k and b_v.
    """
    y = x if y is None else y
    n, m, h, d = len(x), len(y), len(w_q), len(w_q[0])
    scale = 1 / math.sqrt(d) if scale is None else scale
    part = lambda b, head: None if b is None else b[head]  # noqa: E731
    rows = []
    for i in range(n):
        out = [0.0 if b_o is None else b_o[r] for r in range(len(w_o[0]))]
        for head in range(h):
            g = key_head(head)
            q = times(w_q[head], x[i], part(b_q, head))
            logits = []
            for j in range(m):
                k = times(w_k[g], y[j], part(b_k, g))
                a = scale * sum(s * t for s, t in zip(q, k, strict=True)) + (0.0 if bias is None else bias[head][i][j])
                logits.append(a if seen(i, j, n, m, mask=part(mask, head), causal=causal) else -math.inf)
            p = softmax(logits)
            v = [times(w_v[g], y[j], part(b_v, g)) for j in range(m)]
            o = [math.fsum(p[j] * v[j][s] for j in range(m)) for s in range(len(w_v[g]))]
            out = [a + b for a, b in zip(out, times(w_o[head], o), strict=True)]
        rows.append(out)
    return rows
