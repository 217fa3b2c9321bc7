"""Ho et al. 2019, "axial attention": self-attention along one axis of a grid, one line at a time."""

import math


def axial_attention(q, k, v, *, axis="row", causal=False, mask=None, scale=None):
    """Lists q and k (x, y, d), v (x, y, e); returns o (x, y, e). mask[line][i][j] hides places of a line."""
    x, y, d, e = len(q), len(q[0]), len(q[0][0]), len(v[0][0])
    scale = 1 / math.sqrt(d) if scale is None else scale
    outputs = [[None] * y for _ in range(x)]
    lines = [[(r, c) for c in range(y)] for r in range(x)]  # the places of each row
    if axis == "column":
        lines = [[(r, c) for r in range(x)] for c in range(y)]
    for number, line in enumerate(lines):
        for i, (r, c) in enumerate(line):
            weights = {}
            for j, (a, b) in enumerate(line):
                if (not causal or j <= i) and (mask is None or mask[number][i][j]):
                    weights[a, b] = math.exp(scale * sum(q[r][c][z] * k[a][b][z] for z in range(d)))
            total = math.fsum(weights.values()) or 1.0
            outputs[r][c] = [math.fsum(w * v[a][b][z] for (a, b), w in weights.items()) / total for z in range(e)]
    return outputs
