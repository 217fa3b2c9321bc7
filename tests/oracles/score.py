"""Scores, one pair at a time, from the papers named in `factorattn.score`. Lists q (n, d), k (m, c); returns (n, m)."""

import math

ACT = {
    "tanh": math.tanh,
    "relu": lambda x: max(x, 0.0),
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "identity": lambda x: x,
}


def inner(x, y):
    return math.fsum(a * b for a, b in zip(x, y, strict=True))


def times(matrix, x):
    """The rows of a matrix, each times x."""
    return [inner(row, x) for row in matrix]


def plus(*vectors):
    return [math.fsum(entries) for entries in zip(*(v for v in vectors if v is not None), strict=True)]


def pairs(q, k, score):
    return [[score(x, y) for y in k] for x in q]


def dot(q, k):
    return pairs(q, k, inner)


def scaled_dot(q, k, scale=None):
    scale = 1 / math.sqrt(len(q[0])) if scale is None else scale
    return pairs(q, k, lambda x, y: scale * inner(x, y))


def cosine(q, k, beta=None):
    def length(x):
        return math.hypot(*x)

    beta = [1.0] * len(q) if beta is None else beta
    return [
        [b * inner(x, y) / (length(x) * length(y)) if length(x) * length(y) else 0.0 for y in k]
        for x, b in zip(q, beta, strict=True)
    ]


def euclidean(q, k, scale=1.0):
    return pairs(q, k, lambda x, y: -scale * math.dist(x, y) ** 2)


def gaussian(q, k, sigma=1.0):
    return pairs(q, k, lambda x, y: math.log(math.exp(-(math.dist(x, y) ** 2) / (2 * sigma**2))))


def general(q, k, w):
    """W (d, c)."""
    return pairs(q, k, lambda x, y: inner(x, times(w, y)))


def biased_general(q, k, w, b):
    """W (c, d), b (c)."""
    return pairs(q, k, lambda x, y: inner(y, plus(times(w, x), b)))


def activated_general(q, k, w, b=None, activation="tanh"):
    b = 0.0 if b is None else b
    return pairs(q, k, lambda x, y: ACT[activation](inner(x, times(w, y)) + b))


def kernel(q, k, features):
    return pairs(q, k, lambda x, y: inner(features(x), features(y)))


def additive(q, k, w_q, w_k, w, b=None, activation="tanh"):
    def score(x, y):
        return inner(w, map(ACT[activation], plus(times(w_q, x), times(w_k, y), b)))

    return pairs(q, k, lambda x, y: score(x, y))


def concat(q, k, w, v, activation="tanh"):
    return pairs(q, k, lambda x, y: inner(v, [ACT[activation](h) for h in times(w, [*x, *y])]))


def deep(q, k, w_q, w_k, w, b=None, layers=None, biases=None, activation="relu"):
    layers = layers or []
    biases = biases or [None] * len(layers)

    def score(x, y):
        hidden = [ACT[activation](h) for h in plus(times(w_q, x), times(w_k, y), b)]
        for matrix, bias in zip(layers, biases, strict=True):
            hidden = [ACT[activation](h) for h in plus(times(matrix, hidden), bias)]
        return inner(w, hidden)

    return pairs(q, k, score)


def location(q, k, w, activation="identity"):
    """Row j of W (m, d) is position j's."""
    return [[ACT[activation](inner(row, x)) for row, _ in zip(w, k, strict=True)] for x in q]


def feature(q, k, w_1, w_2, v, b=None, phi_1=None, phi_2=None, activation="tanh"):
    def score(_, y):
        hidden = plus(times(w_1, phi_1(y)), times(w_2, phi_2(y)), b)
        return inner(v, [ACT[activation](h) for h in hidden])

    return pairs(q, k, score)


def location_aware(q, k, previous, filters, w_q, w_k, w_f, w, b=None, activation="tanh"):
    rows = []
    for x, alpha in zip(q, previous, strict=True):
        row = []
        for j, y in enumerate(k):
            f = []
            for taps in filters:
                total = 0.0
                for t, tap in enumerate(taps):
                    place = j + t - (len(taps) - 1) // 2
                    if 0 <= place < len(k):
                        total += tap * alpha[place]
                f.append(total)
            hidden = plus(times(w_q, x), times(w_k, y), times(w_f, f), b)
            row.append(inner(w, [ACT[activation](h) for h in hidden]))
        rows.append(row)
    return rows
