"""Wang et al. 2020, section 4: softmax(q (E k)^T / sqrt(d)) (F v), one number at a time."""

import math


def linformer_attention(q, k, v, e, f, *, shown=None, scale=None):
    """Lists q (n, d), k (m, d), v (m, c), e and f (r, m), shown (m); returns o (n, c). Others have no column."""
    d, r, width = len(q[0]), len(e), len(v[0])
    seen = [j for j in range(len(k)) if shown is None or shown[j]]
    scale = 1 / math.sqrt(d) if scale is None else scale
    keys = [[math.fsum(e[a][j] * k[j][c] for j in seen) for c in range(d)] for a in range(r)]
    values = [[math.fsum(f[a][j] * v[j][c] for j in seen) for c in range(width)] for a in range(r)]
    outputs = []
    for row in q:
        weights = [math.exp(scale * sum(row[c] * key[c] for c in range(d))) for key in keys]
        total = math.fsum(weights)
        outputs.append(
            [math.fsum(w * value[c] for w, value in zip(weights, values, strict=True)) / total for c in range(width)]
        )
    return outputs


def segment_means(r, m):
    """Row a averages the positions floor(a m / r) ... floor((a + 1) m / r) - 1."""
    rows = []
    for a in range(r):
        start, stop = a * m // r, (a + 1) * m // r
        rows.append([1 / (stop - start) if start <= j < stop else 0.0 for j in range(m)])
    return rows
