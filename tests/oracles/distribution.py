"""Distributions, one row at a time, from their definitions. A list of scores in, a list of weights out.

A score of -inf is a key that is not seen: it is left out, and weighs zero. A row without keys weighs nothing.
"""

import math
from decimal import Decimal, localcontext
from fractions import Fraction

UNSEEN = -math.inf


def over_seen(f):
    """Apply a distribution to the scores that are seen."""

    def g(a, **options):
        seen = [j for j, x in enumerate(a) if x != UNSEEN]
        weights = f([a[j] for j in seen], **options) if seen else []
        return [weights[seen.index(j)] if j in seen else 0.0 for j in range(len(a))]

    return g


@over_seen
def softmax(a):
    exps = [math.exp(x - max(a)) for x in a]
    return [e / math.fsum(exps) for e in exps]


@over_seen
def sigmoid(a, bias=0.0):
    return [1 / (1 + math.exp(-(x + bias))) for x in a]


@over_seen
def sparsemax(a):
    """The only support for which the threshold lies between what is in and what is out, in exact fractions."""
    a = [Fraction(x) for x in a]
    falling = sorted(a, reverse=True)
    for k in range(1, len(a) + 1):
        tau = (sum(falling[:k]) - 1) / k
        if falling[k - 1] > tau and (k == len(a) or falling[k] <= tau):
            return [float(max(x - tau, 0)) for x in a]
    raise AssertionError("a projection exists")


def entmax_decimal(a, alpha, digits=45):
    """Alpha-entmax in long decimals, by bisection until nothing changes any more."""
    with localcontext() as context:
        context.prec = digits
        alpha = Decimal(alpha)
        x = [(alpha - 1) * (Decimal(t) - Decimal(max(a))) for t in a]
        power = 1 / (alpha - 1)

        def weights(tau):
            return [(t - tau) ** power if t > tau else Decimal(0) for t in x]

        low, high = Decimal(-1), Decimal(0)
        while True:
            tau = (low + high) / 2
            if tau in (low, high):
                return weights(low)
            low, high = (tau, high) if sum(weights(tau)) >= 1 else (low, tau)


@over_seen
def entmax(a, alpha=1.5):
    return [float(p) for p in entmax_decimal(a, alpha)]


@over_seen
def entmax_alpha_gradient(a, alpha=1.5):
    """A central difference with a step so small that it is exact to a float, in decimals so long that it has digits."""
    with localcontext() as context:
        context.prec = 45
        h = Decimal("1e-14")
        up, down = (entmax_decimal(a, Decimal(alpha) + step) for step in (h, -h))
        return [float((p - q) / (2 * h)) for p, q in zip(up, down, strict=True)]


@over_seen
def hard(a):
    return [1.0 if j == a.index(max(a)) else 0.0 for j in range(len(a))]


def multinoulli(a, uniform):
    reached = 0.0
    weights = softmax(a)
    for j, weight in enumerate(weights):
        reached += weight
        if uniform < reached:
            return [float(j == i) for i in range(len(a))]
    return [0.0] * len(a)


@over_seen
def top_k(a, k):
    kept = sorted(range(len(a)), key=lambda j: (-a[j], j))[:k]
    return softmax([x if j in kept else UNSEEN for j, x in enumerate(a)])


@over_seen
def softmax_one(a, sink=0.0):
    top = max([*a, sink])
    total = math.exp(sink - top) + math.fsum(math.exp(x - top) for x in a)
    return [math.exp(x - top) / total for x in a]


@over_seen
def proportional(a):
    return [x / math.fsum(a) for x in a]


def sinkhorn(a, rounds):
    """A matrix of finite scores."""
    k = [[math.exp(x) for x in row] for row in a]
    for t in range(rounds):
        if t % 2 == 0:
            k = [[x / math.fsum(row) for x in row] for row in k]
        else:
            columns = [math.fsum(column) for column in zip(*k, strict=True)]
            k = [[x / c for x, c in zip(row, columns, strict=True)] for row in k]
    return k


def deattention(a, b, gate="scale"):
    """Two matrices."""
    seen = [y for x_row, y_row in zip(a, b, strict=True) for x, y in zip(x_row, y_row, strict=True) if x != UNSEEN]
    mean = math.fsum(seen) / len(seen) if seen else 0.0

    def weight(x, y):
        if x == UNSEEN:
            return 0.0
        if gate == "scale":
            return math.tanh(x) * 2 / (1 + math.exp(-y))
        if gate == "plain":
            return math.tanh(x) / (1 + math.exp(-y))
        return math.tanh(x) / (1 + math.exp(-(y - mean)))

    return [[weight(x, y) for x, y in zip(*rows, strict=True)] for rows in zip(a, b, strict=True)]
