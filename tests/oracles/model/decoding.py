"""Searching for sequences by hand: all of them, or the best beginnings; and what a sequence's probability is.

A model is a function from a tuple of tokens to the list of logarithms of the next token's probabilities.
"""

import itertools
import math


def finished(model, vocabulary, maximum, end):
    """All sequences that end with `end`, and all of `maximum` tokens that do not, with their log-probabilities."""
    found = {}
    for n in range(1, maximum + 1):
        for sequence in itertools.product(range(vocabulary), repeat=n):
            ends = [t for t, token in enumerate(sequence) if token == end]
            if ends != [n - 1] and not (not ends and n == maximum):
                continue
            found[sequence] = sum(model(sequence[:t])[token] for t, token in enumerate(sequence))
    return found


def penalty(length, alpha):
    """Wu et al. 2016, equation 14: lp(Y)."""
    return (5 + length) ** alpha / (5 + 1) ** alpha


def coverage(attention, beta):
    """Wu et al. 2016, equation 14: cp(X; Y) of a list of rows of attention, a row for each word of the target."""
    return beta * sum(math.log(min(sum(column), 1.0)) for column in zip(*attention, strict=True))


def best(model, vocabulary, maximum, end, alpha, count):
    """The `count` best of all sequences: (score, sequence, log-probability)."""
    ranked = [(p / penalty(len(y), alpha), y, p) for y, p in finished(model, vocabulary, maximum, end).items()]
    return sorted(ranked, key=lambda item: (-item[0], item[1]))[:count]


def greedy(model, maximum, end):
    """The likeliest token at each place."""
    y, total = (), 0.0
    while len(y) < maximum and (not y or y[-1] != end):
        log_p = model(y)
        token = max(range(len(log_p)), key=lambda k: (log_p[k], -k))
        y, total = (*y, token), total + log_p[token]
    return y, total


def beam(model, width, maximum, end, alpha, attention=None, beta=0.0):
    """The best `width` beginnings at a time. `attention` (y) gives the rows of attention of a sequence."""
    kept = [((), 0.0)]

    def score(y, p):
        return p / penalty(len(y), alpha) + (coverage(attention(y), beta) if attention else 0.0)

    for _ in range(maximum):
        grown = []
        for y, p in kept:
            if y and y[-1] == end:
                grown.append((y, p))
            else:
                grown.extend(((*y, k), p + gain) for k, gain in enumerate(model(y)))
        kept = sorted(grown, key=lambda item: -score(*item))[:width]
    return [(score(y, p), y, p) for y, p in kept]
