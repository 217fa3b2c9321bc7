"""Roy et al. 2021, algorithm 1: tokens of a cluster attend to each other, one pair at a time."""

import math


def layer_norm(row, eps):
    """A list without its mean, divided by its standard deviation."""
    mean = math.fsum(row) / len(row)
    variance = math.fsum((x - mean) ** 2 for x in row) / len(row)
    return [(x - mean) / math.sqrt(variance + eps) for x in row]


def nearest(rows, centroid, count, present):
    """The `count` rows with the largest inner product, the first of equals; rows that are not there come last."""
    score = [sum(a * b for a, b in zip(row, centroid, strict=True)) for row in rows]
    order = sorted(range(len(rows)), key=lambda i: (not present[i], -score[i] if present[i] else 0.0, i))
    return set(order[:count])


def routing_attention(q, k, v, mu, *, window=None, causal=False, scale=1.0, mask=None, eps=1e-6):
    """Lists q (n, d), k (m, d), v (m, e), mu (t, d), mask (n, m) of booleans; returns o (n, e)."""
    n, m, e = len(q), len(k), len(v[0])
    mask = mask or [[True] * m for _ in range(n)]
    q, k = ([layer_norm(row, eps) for row in rows] for rows in (q, k))
    sees = [any(mask[i]) for i in range(n)]
    seen = [any(mask[i][j] for i in range(n)) for j in range(m)]
    found = [[] for _ in range(n)]  # for each query what each of its clusters answers
    for centroid in mu:
        mine = nearest(q, centroid, min(n, window or -(-n // len(mu))), sees)
        theirs = nearest(k, centroid, min(m, window or -(-m // len(mu))), seen)
        for i in mine:
            weights = {
                j: math.exp(scale * sum(a * b for a, b in zip(q[i], k[j], strict=True)))
                for j in theirs
                if mask[i][j] and not (causal and j > i + m - n)
            }
            total = math.fsum(weights.values())
            if total:
                found[i].append([math.fsum(w * v[j][c] for j, w in weights.items()) / total for c in range(e)])
    return [[math.fsum(o[c] for o in some) / max(len(some), 1) for c in range(e)] for some in found]


def update_centroids(q, k, mu, *, decay, eps=1e-6):
    """Centroids: decay mu + (1 - decay) / 2 (sum of the queries nearest to mu + sum of the keys nearest to mu)."""
    new = [[decay * x for x in centroid] for centroid in mu]
    for rows in (q, k):
        for row in (layer_norm(row, eps) for row in rows):
            score = [sum(a * b for a, b in zip(row, centroid, strict=True)) for centroid in mu]
            t = score.index(max(score))
            new[t] = [x + (1 - decay) / 2 * y for x, y in zip(new[t], row, strict=True)]
    return new
