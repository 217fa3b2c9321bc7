"""Parmar et al. 2018, section 3.3, "2D local attention": rectangles of queries and their memory, one pair at a time.

The grid is cut into rectangles of h_q x w_q queries. Generated are the rectangles in raster order, and in each its
positions in raster order. The memory of a rectangle extends it by h_m rows at the top and w_m columns at the left and
at the right; a position attends to those of its memory that were generated before it, and to itself. In an encoder,
where nothing is generated, the memory reaches h_m rows below, too, as in the authors' code.
"""

import math


def local_2d_attention(q, k, v, *, block, memory, causal=False, mask=None, scale=None):
    """Lists q and k (x, y, d), v (x, y, e), mask (x y, x y); returns o (x, y, e)."""
    x, y, d, e = len(q), len(q[0]), len(q[0][0]), len(v[0][0])
    (tall, wide), (above, beside) = block, memory
    scale = 1 / math.sqrt(d) if scale is None else scale
    generated = []
    outputs = [[None] * y for _ in range(x)]
    for top in range(0, x, tall):
        for left in range(0, y, wide):
            rows, columns = range(top, min(top + tall, x)), range(left, min(left + wide, y))
            below = 0 if causal else above
            stored = [
                (row, column)
                for row in range(max(0, top - above), min(x, top + tall + below))
                for column in range(max(0, left - beside), min(y, left + wide + beside))
            ]
            for row in rows:
                for column in columns:
                    generated.append((row, column))
                    weights = {}
                    for a, b in stored:
                        hidden = mask is not None and not mask[row * y + column][a * y + b]
                        if not hidden and (not causal or (a, b) in generated):
                            logit = scale * sum(q[row][column][c] * k[a][b][c] for c in range(d))
                            weights[a, b] = math.exp(logit)
                    total = math.fsum(weights.values()) or 1.0
                    outputs[row][column] = [
                        math.fsum(w * v[a][b][c] for (a, b), w in weights.items()) / total for c in range(e)
                    ]
    return outputs
