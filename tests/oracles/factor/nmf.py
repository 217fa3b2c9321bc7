"""Nonnegative factors entry by entry: Lee and Seung 2001, Cichocki and Phan 2009, Boutsidis and Gallopoulos 2008."""

import math


def columns(w, h):
    """The product of w (p, r) and h (r, q), lists of rows."""
    return [[math.fsum(w[i][k] * h[k][j] for k in range(len(h))) for j in range(len(h[0]))] for i in range(len(w))]


def transpose(a):
    """Rows become columns."""
    return [list(column) for column in zip(*a, strict=True)]


def hals(a, w, h):
    """One update of w: the best column k, at least zero, for what all others leave of a."""
    w = [row[:] for row in w]
    for k in range(len(h)):
        size = math.fsum(x * x for x in h[k])
        if size == 0:
            continue
        for i in range(len(a)):
            others = [a[i][j] - math.fsum(w[i][t] * h[t][j] for t in range(len(h)) if t != k) for j in range(len(h[0]))]
            w[i][k] = max(0.0, math.fsum(x * y for x, y in zip(others, h[k], strict=True)) / size)
    return w


def multiplicative(a, w, h):
    """One update of w: each entry times (A H^T) / (W H H^T)."""
    wh = columns(w, h)
    out = []
    for i in range(len(a)):
        row = []
        for k in range(len(h)):
            above = math.fsum(x * y for x, y in zip(a[i], h[k], strict=True))
            below = math.fsum(x * y for x, y in zip(wh[i], h[k], strict=True))
            row.append(w[i][k] * above / below if below else w[i][k])
        out.append(row)
    return out


def nmf(a, w, h, solver, iterations):
    """Lists a (p, q), w (p, r), h (r, q); w first, then h, again and again."""
    update = {"hals": hals, "multiplicative": multiplicative}[solver]
    for _ in range(iterations):
        w = update(a, w, h)
        h = transpose(update(transpose(a), transpose(h), transpose(w)))
    return w, h


def nndsvd(triplets):
    """From singular triplets (s, u, v), largest first: w and h, the larger of both nonnegative parts of each."""
    rows, cols = [], []
    for k, (s, u, v) in enumerate(triplets):
        if k == 0:
            pair = ([abs(x) for x in u], [abs(x) for x in v])
        else:
            pairs = [([max(sign * x, 0.0) for x in u], [max(sign * x, 0.0) for x in v]) for sign in (1, -1)]
            pair = max(pairs, key=lambda both: math.hypot(*both[0]) * math.hypot(*both[1]))
        sizes = [math.hypot(*x) for x in pair]
        root = math.sqrt(s * sizes[0] * sizes[1])
        rows.append([root * x / sizes[0] if sizes[0] else 0.0 for x in pair[0]])
        cols.append([root * x / sizes[1] if sizes[1] else 0.0 for x in pair[1]])
    return transpose(rows), cols
