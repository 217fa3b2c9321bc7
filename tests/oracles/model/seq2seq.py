"""Sequence to sequence, number by number, in the letters of the papers; vectors are lists, matrices lists of rows.

Cho et al. 2014, appendix A; Sutskever et al. 2014; Bahdanau et al. 2015, appendix A; Luong et al. 2015, section 3. All
return, for every place of the target, the probabilities of all words; those with attention the alignment, too. `x` and
`y` are numbers of words; y_0 is the start token.
"""

import math

from oracles.model.recurrent import affine, lstm_step, sigmoid


def mv(matrix, vector):
    return [sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix]


def add(*vectors):
    return [sum(entries) for entries in zip(*vectors, strict=True)]


def each(f, vector):
    return [f(a) for a in vector]


def mul(u, v):
    return [a * b for a, b in zip(u, v, strict=True)]


def softmax(a):
    top = max(a)
    e = [math.exp(x - top) for x in a]
    return [x / sum(e) for x in e]


def maxout(t):
    """t_j = max(t~_{2j-1}, t~_{2j}), counted from 1."""
    return [max(t[2 * j - 2], t[2 * j - 1]) for j in range(1, len(t) // 2 + 1)]


def cho(p, x, y):
    """Appendix A.1 and A.2: the reset gate of the decoder stands before U'h' + C c."""
    h = [0.0] * len(p["U"])
    for word in x:
        e = p["E_x"][word]
        z = each(sigmoid, add(mv(p["W_z"], e), mv(p["U_z"], h)))
        r = each(sigmoid, add(mv(p["W_r"], e), mv(p["U_r"], h)))
        new = each(math.tanh, add(mv(p["W"], e), mv(p["U"], mul(r, h))))
        h = [zj * hj + (1 - zj) * nj for zj, hj, nj in zip(z, h, new, strict=True)]
    c = each(math.tanh, mv(p["V"], h))
    h = each(math.tanh, mv(p["V'"], c))
    found = []
    for word in y:
        e = p["E_y"][word]
        z = each(sigmoid, add(mv(p["W'_z"], e), mv(p["U'_z"], h), mv(p["C_z"], c)))
        r = each(sigmoid, add(mv(p["W'_r"], e), mv(p["U'_r"], h), mv(p["C_r"], c)))
        new = each(math.tanh, add(mv(p["W'"], e), mul(r, add(mv(p["U'"], h), mv(p["C"], c)))))
        h = [zj * hj + (1 - zj) * nj for zj, hj, nj in zip(z, h, new, strict=True)]
        s = maxout(add(mv(p["O_h"], h), mv(p["O_y"], e), mv(p["O_c"], c)))
        found.append(softmax(mv(p["G"], s)))
    return found


def sutskever(p, x, y):
    """Layers are dicts as `lstm_step` of the recurrent oracle takes them; the source is read from its end."""
    size = len(p["decoder"][0]["input"]["weight"]) // 4
    states = [([0.0] * size, [0.0] * size) for _ in p["encoder"]]

    def go(layers, v):
        for i, layer in enumerate(layers):
            states[i] = lstm_step(layer, v, states[i])
            v = states[i][0]
        return v

    for word in reversed(x):
        go(p["encoder"], p["E_x"][word])
    return [softmax(affine(p["output"], go(p["decoder"], p["E_y"][word]))) for word in y]


def bahdanau(p, x, y, score=None, distribution=softmax):
    """`score` (s, annotations, weights before) gives a list; by default v_a^T tanh(W_a s + U_a h_j)."""
    n = len(p["forward"]["U"])

    def gru(q, words):
        h, found = [0.0] * n, []
        for word in words:
            e = p["E_x"][word]
            z = each(sigmoid, add(mv(q["W_z"], e), mv(q["U_z"], h)))
            r = each(sigmoid, add(mv(q["W_r"], e), mv(q["U_r"], h)))
            new = each(math.tanh, add(mv(q["W"], e), mv(q["U"], mul(r, h))))
            h = [(1 - zj) * hj + zj * nj for zj, hj, nj in zip(z, h, new, strict=True)]
            found.append(h)
        return found

    def additive(s, annotations, before):
        return [
            sum(v * math.tanh(u) for v, u in zip(p["v_a"], add(mv(p["W_a"], s), mv(p["U_a"], h)), strict=True))
            for h in annotations
        ]

    ahead, back = gru(p["forward"], x), gru(p["backward"], x[::-1])[::-1]
    annotations = [f + b for f, b in zip(ahead, back, strict=True)]
    s = each(math.tanh, mv(p["W_s"], back[0]))
    alpha, found, alignment = [0.0] * len(x), [], []
    for word in y:
        e = p["E_y"][word]
        alpha = distribution((score or additive)(s, annotations, alpha))
        c = [sum(a * h[j] for a, h in zip(alpha, annotations, strict=True)) for j in range(len(annotations[0]))]
        t = maxout(add(mv(p["U_o"], s), mv(p["V_o"], e), mv(p["C_o"], c)))
        z = each(sigmoid, add(mv(p["W_z"], e), mv(p["U_z"], s), mv(p["C_z"], c)))
        r = each(sigmoid, add(mv(p["W_r"], e), mv(p["U_r"], s), mv(p["C_r"], c)))
        new = each(math.tanh, add(mv(p["W"], e), mv(p["U"], mul(r, s)), mv(p["C"], c)))
        s = [(1 - zj) * sj + zj * nj for zj, sj, nj in zip(z, s, new, strict=True)]
        found.append(softmax(mv(p["W_o"], t)))
        alignment.append(alpha)
    return found, alignment


def luong(p, x, y, *, attention, score, feeding, window=None, sigma=None, distribution=softmax):
    """`score` (h_t, h_s) gives a number. Positions count from 0."""
    size = len(p["W_c"])
    states = [([0.0] * size, [0.0] * size) for _ in p["encoder"]]

    def go(layers, v):
        for i, layer in enumerate(layers):
            states[i] = lstm_step(layer, v, states[i])
            v = states[i][0]
        return v

    source = [go(p["encoder"], p["E_x"][word]) for word in x]
    tilde, found, alignment = [0.0] * size, [], []
    for t, word in enumerate(y):
        h = go(p["decoder"], p["E_y"][word] + (tilde if feeding else []))
        if attention == "global":
            place, near = None, list(range(len(x)))
        else:
            place = float(t)
            if attention == "local-p":
                hidden = each(math.tanh, mv(p["W_p"], h))
                place = len(x) * sigmoid(sum(v * u for v, u in zip(p["v_p"], hidden, strict=True)))
            near = [j for j in range(len(x)) if place - window <= j <= place + window]
        a = [0.0] * len(x)
        if near:
            for j, weight in zip(near, distribution([score(h, source[j]) for j in near]), strict=True):
                gauss = math.exp(-((j - place) ** 2) / (2 * sigma**2)) if attention == "local-p" else 1.0
                a[j] = weight * gauss
        c = [sum(aj * s[k] for aj, s in zip(a, source, strict=True)) for k in range(size)]
        tilde = each(math.tanh, mv(p["W_c"], c + h))
        found.append(softmax(mv(p["W_s"], tilde)))
        alignment.append(a)
    return found, alignment


def score_of_pair(kind, p, h, s):
    """Section 3.1: dot, general, concat."""
    if kind == "dot":
        return sum(a * b for a, b in zip(h, s, strict=True))
    if kind == "general":
        return sum(a * b for a, b in zip(h, mv(p["W_a"], s), strict=True))
    return sum(v * math.tanh(u) for v, u in zip(p["v_a"], mv(p["W_a"], h + s), strict=True))
