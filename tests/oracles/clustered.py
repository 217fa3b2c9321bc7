"""Vyas et al. 2020, section 3: one attention row for each cluster of queries, one number at a time."""

import math


def signs(row, hashes):
    """The bits of a query: on which side of each direction it lies."""
    return [1 if sum(a * b for a, b in zip(row, direction, strict=True)) > 0 else -1 for direction in hashes]


def nearest(code, centres):
    """The centre at the least Hamming distance, the first of equals."""
    distance = [sum(a != b for a, b in zip(code, centre, strict=True)) for centre in centres]
    return distance.index(min(distance))


def hamming_clusters(codes, clusters, iterations, present):
    """Lloyd's algorithm on bits +1 and -1; the cluster of each code."""
    n = len(codes)
    if clusters >= n:
        return list(range(n))
    centres = [codes[n * j // clusters] for j in range(clusters)]
    for _ in range(iterations):
        cluster = [nearest(code, centres) for code in codes]
        for t in range(clusters):
            mine = [code for code, c, there in zip(codes, cluster, present, strict=True) if c == t and there]
            if mine:
                centres[t] = [1 if sum(bits) > 0 else -1 for bits in zip(*mine, strict=True)]
    return [nearest(code, centres) for code in codes]


def mean_queries(q, hashes, *, clusters, iterations, mask):
    """For each query the mean query of its cluster; queries that see no key are in no mean."""
    present = [any(row) for row in mask]
    cluster = hamming_clusters([signs(row, hashes) for row in q], clusters, iterations, present)
    means = []
    for i in range(len(q)):
        mine = [q[z] for z in range(len(q)) if cluster[z] == cluster[i] and present[z]]
        means.append([math.fsum(column) / len(mine) for column in zip(*mine, strict=True)] if mine else q[i])
    return means, cluster


def softmax(logits):
    """Weights from a dictionary of logits."""
    top = max(logits.values(), default=0.0)
    weights = {j: math.exp(a - top) for j, a in logits.items()}
    total = math.fsum(weights.values())
    return {j: w / total for j, w in weights.items()}


def weighted(weights, v):
    """The sum of values, weighted by a dictionary."""
    return [math.fsum(w * v[j][c] for j, w in weights.items()) for c in range(len(v[0]))]


def dot(a, b):
    """The inner product of two lists."""
    return sum(x * y for x, y in zip(a, b, strict=True))


def clustered_attention(q, k, v, hashes, *, clusters, iterations=10, mask=None, scale=None):
    """Lists q (n, d), k (m, d), v (m, e), hashes (s, d), mask (n, m) of booleans; returns o (n, e)."""
    scale = 1 / math.sqrt(len(q[0])) if scale is None else scale
    mask = mask or [[True] * len(k) for _ in q]
    means, _ = mean_queries(q, hashes, clusters=clusters, iterations=iterations, mask=mask)
    return [
        weighted(softmax({j: scale * dot(mean, k[j]) for j in range(len(k)) if mask[i][j]}), v)
        for i, mean in enumerate(means)
    ]
