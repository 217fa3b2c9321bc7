"""Zhou et al. 2021, ProbSparse self-attention: measure queries, let the top ones attend, give the others the mean."""

import math


def measure(q, k, picks, mask, scale, how):
    """Equation 4 for each query: largest logit minus mean logit; over the keys that `picks` lists for the query."""
    result = []
    for i, row in enumerate(q):
        keys = range(len(k)) if how == "exact" else picks[i]
        logits = [scale * sum(a * b for a, b in zip(row, k[j], strict=True)) for j in keys if mask[i][j]]
        terms = len(logits) if how == "averaged" else sum(mask[i])
        result.append(max(logits) - math.fsum(logits) / terms if logits else -math.inf)
    return result


def informer_attention(q, k, v, picks, u, *, mask=None, causal=False, scale=None, measure_by="sampled", rest="mean"):
    """Lists q (n, d), k (m, d), v (m, e), picks (n, s) of positions, mask (n, m); returns o (n, e)."""
    n, m, e = len(q), len(k), len(v[0])
    mask = mask or [[True] * m for _ in range(n)]
    scale = 1 / math.sqrt(len(q[0])) if scale is None else scale
    sharp = measure(q, k, picks, mask, scale, measure_by)
    active = sorted(range(n), key=lambda i: (-sharp[i], i))[:u]
    outputs = []
    for i in range(n):
        seen = [j for j in range(m) if mask[i][j] and not (causal and j > i + m - n)]
        if i in active:
            weights = [math.exp(scale * sum(a * b for a, b in zip(q[i], k[j], strict=True))) for j in seen]
            total = math.fsum(weights)
            weights = [w / total for w in weights]
        else:
            weights = [1 / len(seen) if rest == "mean" else 1.0 for _ in seen]
        outputs.append([math.fsum(w * v[j][c] for w, j in zip(weights, seen, strict=True)) for c in range(e)])
    return outputs
