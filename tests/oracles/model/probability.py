"""Probabilities of sequences and losses, number by number. Logits are lists of rows, one a place."""

import math


def log_softmax(row):
    top = max(row)
    if math.isinf(top):
        return list(row)
    total = math.log(math.fsum(math.exp(x - top) for x in row))
    return [x - top - total for x in row]


def tokens(logits, targets):
    return [log_softmax(row)[target] for row, target in zip(logits, targets, strict=True)]


def sequence(logits, targets, mask=None):
    mask = [True] * len(targets) if mask is None else mask
    return math.fsum(p for p, seen in zip(tokens(logits, targets), mask, strict=True) if seen)


def cross_entropy(batch, targets, mask=None, smoothing=0.0):
    """Szegedy et al. 2016, section 7: - sum_k q'(k) log p(k), q'(k) = (1 - epsilon) delta_{k,y} + epsilon / K."""
    losses = []
    for i, (logits, target) in enumerate(zip(batch, targets, strict=True)):
        for t, (row, y) in enumerate(zip(logits, target, strict=True)):
            if mask is None or mask[i][t]:
                q = [(1 - smoothing) * (k == y) + smoothing / len(row) for k in range(len(row))]
                losses.append(-math.fsum(w * p for w, p in zip(q, log_softmax(row), strict=True) if w))
    return math.fsum(losses) / len(losses) if losses else 0.0
