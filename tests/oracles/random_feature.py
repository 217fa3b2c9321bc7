"""Peng et al. 2021, sections 3.1 (features and recurrence), 3.2 (gate), appendix (arc-cosine), number by number."""

import math


def gaussian(x, w):
    """Sines, then cosines, of the projections, over sqrt(r)."""
    angles = [math.fsum(a * b for a, b in zip(row, x, strict=True)) for row in w]
    return [f(angle) / math.sqrt(len(w)) for f in (math.sin, math.cos) for angle in angles]


def arccos(x, w):
    """Projections where they are positive, over sqrt(r)."""
    return [max(math.fsum(a * b for a, b in zip(row, x, strict=True)), 0.0) / math.sqrt(len(w)) for row in w]


def random_feature_attention(q, k, v, omega, sigma=None, gate=None, *, features="gaussian", shown=None, causal=False):
    """Lists q (n, d), k (m, d), v (m, e), omega (r, d), sigma (d), gate (m), shown (m); returns o (n, e).

    The recurrence itself. If causal, query i reads the state after key i + m - n; otherwise that after the last one.
    """
    n, m, e = len(q), len(k), len(v[0])
    phi = {"gaussian": gaussian, "arccos": arccos}[features]
    w = omega if sigma is None else [[a * b for a, b in zip(row, sigma, strict=True)] for row in omega]
    phi_q, phi_k = ([phi(unit(row), w) for row in rows] for rows in (q, k))
    size = len(phi_q[0])
    s, z = [[0.0] * e for _ in range(size)], [0.0] * size
    states = {-1: (s, z)}
    for j in range(m):
        if shown is None or shown[j]:
            keep, add = (1.0, 1.0) if gate is None else (1 / (1 + math.exp(-gate[j])), 1 / (1 + math.exp(gate[j])))
            s = [[keep * s[a][c] + add * phi_k[j][a] * v[j][c] for c in range(e)] for a in range(size)]
            z = [keep * z[a] + add * phi_k[j][a] for a in range(size)]
        states[j] = s, z
    outputs = []
    for i in range(n):
        s, z = states[max(i + m - n, -1) if causal else m - 1]
        total = math.fsum(phi_q[i][a] * z[a] for a in range(size))
        outputs.append([math.fsum(phi_q[i][a] * s[a][c] for a in range(size)) / (total or 1.0) for c in range(e)])
    return outputs


def unit(x):
    """A vector over its length; zeros stay."""
    length = math.sqrt(math.fsum(a * a for a in x))
    return [a / length for a in x] if length else x
