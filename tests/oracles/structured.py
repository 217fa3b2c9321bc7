"""Lin et al. 2017: A = softmax(W_s2 tanh(W_s1 H^T)), M = A H, and the penalty |A A^T - I|_F^2."""

import math


def structured_attention(h, w_s1, w_s2, *, seen=lambda r, j: True):
    """Lists h (n, c), w_s1 (a, c), w_s2 (r, a); returns A (r, n) and M (r, c)."""
    n, c = len(h), len(w_s1[0])
    hidden = [[math.tanh(math.fsum(w[f] * row[f] for f in range(c))) for w in w_s1] for row in h]
    annotation, matrix = [], []
    for hop, w in enumerate(w_s2):
        weights = [
            math.exp(math.fsum(x * y for x, y in zip(w, hidden[j], strict=True))) if seen(hop, j) else 0.0
            for j in range(n)
        ]
        total = math.fsum(weights) or 1.0
        annotation.append([weight / total for weight in weights])
        matrix.append([math.fsum(annotation[-1][j] * h[j][f] for j in range(n)) for f in range(c)])
    return annotation, matrix


def redundancy_penalty(a):
    """List a (r, n); returns |A A^T - I|_F^2."""
    gap = 0.0
    for i in range(len(a)):
        for j in range(len(a)):
            product = math.fsum(x * y for x, y in zip(a[i], a[j], strict=True))
            gap += (product - (i == j)) ** 2
    return gap
