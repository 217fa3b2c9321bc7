"""Kitaev et al. 2020, section 2 and appendix A: LSH attention round by round, one pair at a time."""

import math


def bucket(x, rotation, factors):
    """h(x) = argmax([x R; -x R]) of list x (d) and rotation (d, p); a product of such hashes, one for each factor."""
    y = [sum(x[a] * rotation[a][z] for a in range(len(x))) for z in range(len(rotation[0]))]
    number, stride, start = 0, 1, 0
    for factor in factors:
        part = y[start : start + factor // 2]
        both = part + [-z for z in part]
        number += stride * both.index(max(both))
        stride, start = stride * factor, start + factor // 2
    return number


def targets(buckets, block):
    """For each token the set of those in its bucket and in its own sorted chunk or the one before (equation 5)."""
    n = len(buckets)
    order = sorted(range(n), key=lambda i: (buckets[i], i))
    chunk = {i: s // block for s, i in enumerate(order)}
    return [{j for j in range(n) if buckets[j] == buckets[i] and 0 <= chunk[i] - chunk[j] <= 1} for i in range(n)]


def reformer_attention(qk, v, rotations, *, block, factors=None, causal=False, scale=1.0, mask=None):
    """Lists qk (n, d), v (n, e), rotations (s, d, p), mask (n, n) of booleans; returns o (n, e)."""
    n, d, e = len(qk), len(qk[0]), len(v[0])
    factors = factors or [2 * len(rotations[0][0])]
    mask = mask or [[True] * n for _ in range(n)]
    absent = [not any(mask[i][j] for i in range(n)) for j in range(n)]
    norm = [math.sqrt(sum(x * x for x in row)) or 1.0 for row in qk]
    rounds = []
    for rotation in rotations:
        buckets = [math.inf if absent[i] else bucket(qk[i], rotation, factors) for i in range(n)]
        seen = targets(buckets, block)
        rounds.append([{j for j in seen[i] if mask[i][j] and not (causal and j > i)} for i in range(n)])
    outputs = []
    for i in range(n):
        parts = []
        for chosen in rounds:
            terms = {}
            for j in chosen[i] - {i}:
                times = sum(j in other[i] for other in rounds)  # N_ij
                logit = scale * sum(qk[i][a] * qk[j][a] for a in range(d)) / norm[j]
                terms[j] = math.exp(logit - math.log(times))
            total = math.fsum(terms.values())
            if total:
                parts.append((total, [math.fsum(t * v[j][c] for j, t in terms.items()) / total for c in range(e)]))
        if parts:
            every = math.fsum(z for z, _ in parts)
            outputs.append([math.fsum(z / every * o[c] for z, o in parts) for c in range(e)])
        else:  # no other target: the token itself, if it may
            outputs.append(list(v[i]) if mask[i][i] else [0.0] * e)
    return outputs
