"""Choromanski et al. 2021, section 2: attention by features, and the features (Lemma 1), number by number."""

import math


def positive(x, omega):
    """Lemma 1: exp(-|x|^2 / 2) / sqrt(r) (exp(omega_1 . x), ...)."""
    half = sum(c * c for c in x) / 2
    return [math.exp(sum(a * b for a, b in zip(w, x, strict=True)) - half) / math.sqrt(len(omega)) for w in omega]


def trigonometric(x, omega):
    """Section 2.3: exp(|x|^2 / 2) / sqrt(r) (sin(omega_1 . x), ..., cos(omega_1 . x), ...)."""
    half = sum(c * c for c in x) / 2
    angles = [sum(a * b for a, b in zip(w, x, strict=True)) for w in omega]
    return [math.exp(half) * f(angle) / math.sqrt(len(omega)) for f in (math.sin, math.cos) for angle in angles]


def performer_attention(q, k, v, omega, *, features="positive", causal=False, scale=None):
    """Lists q (n, d), k (m, d), v (m, e), omega (r, d); returns o (n, e). If causal, i sees j <= i + m - n."""
    n, m, d, e = len(q), len(k), len(q[0]), len(v[0])
    root = math.sqrt(1 / math.sqrt(d) if scale is None else scale)
    phi = {"positive": positive, "trigonometric": trigonometric}[features]
    phi_q = [phi([root * c for c in row], omega) for row in q]
    phi_k = [phi([root * c for c in row], omega) for row in k]
    outputs = []
    for i in range(n):
        keys = [j for j in range(m) if not causal or j <= i + m - n]
        weights = {j: math.fsum(a * b for a, b in zip(phi_q[i], phi_k[j], strict=True)) for j in keys}
        total = math.fsum(weights.values())
        outputs.append([math.fsum(w * v[j][c] for j, w in weights.items()) / total if keys else 0.0 for c in range(e)])
    return outputs
