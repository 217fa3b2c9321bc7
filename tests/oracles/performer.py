"""Choromanski et al. 2021, section 2: attention by features, and the features, number by number."""

import math


def positive(x, omega):
    """Lemma 1: exp(-|x|^2 / 2) / sqrt(r) (exp(omega_1 . x), ...)."""
    half = sum(c * c for c in x) / 2
    return [math.exp(z - half) / math.sqrt(len(omega)) for z in projections(x, omega)]


def hyperbolic(x, omega):
    """Lemma 1: exp(-|x|^2 / 2) / sqrt(2 r) (exp(omega_1 . x), ..., exp(-omega_1 . x), ...)."""
    half = sum(c * c for c in x) / 2
    return [math.exp(sign * z - half) / math.sqrt(2 * len(omega)) for sign in (1, -1) for z in projections(x, omega)]


def trigonometric(x, omega):
    """Section 2.3: exp(|x|^2 / 2) / sqrt(r) (sin(omega_1 . x), ..., cos(omega_1 . x), ...)."""
    half = sum(c * c for c in x) / 2
    angles = projections(x, omega)
    return [math.exp(half) * f(angle) / math.sqrt(len(omega)) for f in (math.sin, math.cos) for angle in angles]


GENERALIZED = {
    "relu": lambda z: max(z, 0.0),
    "exp": math.exp,
    "sigmoid": lambda z: 1 / (1 + math.exp(-z)),
    "abs": abs,
    "cos": math.cos,
    "tanh": math.tanh,
    "identity": lambda z: z,
}


def projections(x, omega):
    """The inner products with all directions."""
    return [math.fsum(a * b for a, b in zip(w, x, strict=True)) for w in omega]


def generalized(name, epsilon):
    """Generalized attention: f(omega . x) + epsilon, over sqrt(r)."""

    def phi(x, omega):
        return [(GENERALIZED[name](z) + epsilon) / math.sqrt(len(omega)) for z in projections(x, omega)]

    return phi


def performer_attention(q, k, v, omega, *, features="positive", epsilon=0.001, shown=None, causal=False, scale=None):
    """Lists q (n, d), k (m, d), v (m, e), omega (r, d), shown (m); returns o (n, e).

    If causal, i sees j <= i + m - n.
    """
    n, m, d, e = len(q), len(k), len(q[0]), len(v[0])
    root = math.sqrt(1 / math.sqrt(d) if scale is None else scale)
    named = {"positive": positive, "hyperbolic": hyperbolic, "trigonometric": trigonometric}
    phi = named[features] if features in named else generalized(features, epsilon)
    phi_q = [phi([root * c for c in row], omega) for row in q]
    phi_k = [phi([root * c for c in row], omega) for row in k]
    outputs = []
    for i in range(n):
        keys = [j for j in range(m) if (not causal or j <= i + m - n) and (shown is None or shown[j])]
        weights = {j: math.fsum(a * b for a, b in zip(phi_q[i], phi_k[j], strict=True)) for j in keys}
        total = math.fsum(weights.values())
        outputs.append([math.fsum(w * v[j][c] for j, w in weights.items()) / total if keys else 0.0 for c in range(e)])
    return outputs
