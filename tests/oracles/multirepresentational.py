"""Kiela et al. 2018: w'_ij = P_i w_ij + b_i, alpha_ij = phi(a . w'_ij + b), sum_i alpha_ij w'_ij, for word j."""

import math


def multirepresentational_attention(x, p, a, b, *, context=None, b_a=0.0, phi="softmax", has=lambda j, i: True):
    """Lists x (m, n, c), p (m, e, c), a (e), b (m, e); `context` (m, n, f) is scored instead; returns (n, e)."""
    outputs = []
    for j in range(len(x[0])):
        projected, scores = {}, {}
        for i in range(len(x)):
            if has(j, i):
                projected[i] = [
                    math.fsum(u * w for u, w in zip(row, x[i][j], strict=True)) + level
                    for row, level in zip(p[i], b[i], strict=True)
                ]
                scored = projected[i] if context is None else context[i][j]
                scores[i] = math.fsum(u * w for u, w in zip(a, scored, strict=True)) + b_a
        if phi == "softmax":
            total = math.fsum(math.exp(score) for score in scores.values())
            alpha = {i: math.exp(score) / total for i, score in scores.items()}
        else:
            gate = math.tanh if phi == "tanh" else lambda score: 1 / (1 + math.exp(-score))
            alpha = {i: gate(score) for i, score in scores.items()}
        outputs.append([math.fsum(alpha[i] * projected[i][f] for i in alpha) for f in range(len(p[0]))])
    return outputs
