"""DeepSeek-AI 2024, sections 2.1.2 and 2.1.3 (full formulas in appendix C): keys and values from one latent vector."""

import math

from oracles import position
from oracles.multihead import seen, softmax, times


def latent_attention(
    x, w_dq, w_uq, w_dkv, w_uk, w_uv, w_o, w_qr=None, w_kr=None, y=None, *,
    mask=None, bias=None, causal=False, scale=None, base=10000.0, layout="interleaved",
):  # fmt: skip
    """Lists x (n, c), y (m, c) and the matrices of the paper, heads in front; returns (n, c)."""
    y = x if y is None else y
    n, m, h, d = len(x), len(y), len(w_uq), len(w_uk[0])
    f = 0 if w_qr is None else len(w_kr)
    scale = 1 / math.sqrt(d + f) if scale is None else scale

    def turned(vector, p):
        return position.rotary([vector], offset=p, base=base, layout=layout)[0]

    rows = []
    for i in range(n):
        out = [0.0] * len(w_o[0])
        c_q = x[i] if w_dq is None else times(w_dq, x[i])
        for head in range(h):
            q = times(w_uq[head], c_q)
            if f:
                q = q + turned(times(w_qr[head], c_q), i + m - n)
            logits, values = [], []
            for j in range(m):
                c_kv = times(w_dkv, y[j])
                k = times(w_uk[head], c_kv)
                if f:
                    k = k + turned(times(w_kr, y[j]), j)
                a = scale * math.fsum(s * t for s, t in zip(q, k, strict=True))
                a += 0.0 if bias is None else bias[head][i][j]
                hidden = not seen(i, j, n, m, mask=None if mask is None else mask[head], causal=causal)
                logits.append(-math.inf if hidden else a)
                values.append(times(w_uv[head], c_kv))
            p = softmax(logits)
            o = [math.fsum(p[j] * values[j][s] for j in range(m)) for s in range(len(w_uv[head]))]
            out = [a + b for a, b in zip(out, times(w_o[head], o), strict=True)]
        rows.append(out)
    return rows
