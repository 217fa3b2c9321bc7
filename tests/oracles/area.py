"""Li et al. 2019: every area is listed with its items; its key is their mean (or richer), its value their sum."""

import math


def areas(m, width, height, columns):
    """All areas (rows, columns, list of items) of a grid of m items in rows of `columns`."""
    found = []
    for rows in range(1, height + 1):
        for cols in range(1, width + 1):
            for start in range(m):
                top, left = divmod(start, columns)
                items = [(top + y) * columns + left + x for y in range(rows) for x in range(cols)]
                if left + cols <= columns and items[-1] < m:
                    found.append((rows, cols, items))
    return found


def area_attention(q, k, v, *, width, height=1, columns=None, richer=None, scale=None, seen=lambda i, j: True):
    """Lists q (n, d), k (m, d), v (m, e); richer = (sizes (p, s, d), w_1 (f, d), b_1 (f), w_d (d, f)) or None."""
    m, d, e = len(k), len(q[0]), len(v[0])
    scale = 1 / math.sqrt(d) if scale is None else scale
    listed = []
    for rows, cols, items in areas(m, width, height, m if columns is None else columns):
        count = len(items)
        key = [math.fsum(k[j][f] for j in items) / count for f in range(d)]
        if richer is not None:
            sizes, w_1, b_1, w_d = richer
            std = [math.sqrt(math.fsum((k[j][f] - key[f]) ** 2 for j in items) / count) for f in range(d)]
            features = [key[f] + std[f] + sizes[rows - 1][cols - 1][f] for f in range(d)]
            hidden = [
                max(0.0, math.fsum(w[f] * features[f] for f in range(d)) + level)
                for w, level in zip(w_1, b_1, strict=True)
            ]
            key = [math.fsum(x * y for x, y in zip(w, hidden, strict=True)) for w in w_d]
        listed.append((items, key, [math.fsum(v[j][f] for j in items) for f in range(e)]))
    outputs = []
    for i, query in enumerate(q):
        there = [area for area in listed if all(seen(i, j) for j in area[0])]
        weights = [math.exp(scale * math.fsum(x * y for x, y in zip(query, key, strict=True))) for _, key, _ in there]
        total = math.fsum(weights) or 1.0
        outputs.append(
            [math.fsum(w * value[f] for w, (_, _, value) in zip(weights, there, strict=True)) / total for f in range(e)]
        )
    return outputs
