"""Optimizers of one number after the other, from the algorithms of their papers; plain Python numbers.

Each takes the number, its gradients step by step as a function of the number, and gives all numbers that it becomes.
"""

import math


def sgd(p, gradient, steps, *, rate, momentum=0.0, nesterov=False, weight_decay=0.0):
    b, found = 0.0, []
    for t in range(1, steps + 1):
        g = gradient(t, p) + weight_decay * p
        b = momentum * b + g
        p = p - rate * (g + momentum * b) if nesterov else p - rate * b
        found.append(p)
    return found


def adam(p, gradient, steps, *, rate, beta1=0.9, beta2=0.999, epsilon=1e-8):
    m = v = 0.0
    found = []
    for t in range(1, steps + 1):
        g = gradient(t, p)
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        corrected_m = m / (1 - beta1**t)
        corrected_v = v / (1 - beta2**t)
        p = p - rate * corrected_m / (math.sqrt(corrected_v) + epsilon)
        found.append(p)
    return found


def adamw(p, gradient, steps, *, rate, weight_decay, multiplier=1.0, beta1=0.9, beta2=0.999, epsilon=1e-8):
    m = v = 0.0
    found = []
    for t in range(1, steps + 1):
        g = gradient(t, p)
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        corrected_m = m / (1 - beta1**t)
        corrected_v = v / (1 - beta2**t)
        p = p - multiplier * (rate * corrected_m / (math.sqrt(corrected_v) + epsilon) + weight_decay * p)
        found.append(p)
    return found


def radam(p, gradient, steps, *, rate, beta1=0.9, beta2=0.999, epsilon=1e-8, threshold=4.0):
    m = v = 0.0
    found = []
    for t in range(1, steps + 1):
        g = gradient(t, p)
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        corrected_m = m / (1 - beta1**t)
        r = rectification(t, beta2, threshold)
        if r is None:
            p = p - rate * corrected_m
        else:
            adaptive = math.sqrt(1 - beta2**t) / (math.sqrt(v) + epsilon)
            p = p - rate * r * corrected_m * adaptive
        found.append(p)
    return found


def rectification(t, beta2, threshold=4.0):
    """r_t; None where the variance is not tractable."""
    longest = 2 / (1 - beta2) - 1
    length = longest - 2 * t * beta2**t / (1 - beta2**t)
    if length <= threshold:
        return None
    above = (length - 4) * (length - 2) * longest
    return math.sqrt(above / ((longest - 4) * (longest - 2) * length))


def global_norm(gradients):
    return math.sqrt(sum(x * x for g in gradients for x in g))


def clip_by_global_norm(gradients, bound):
    norm = global_norm(gradients)
    if norm < bound:
        return gradients
    return [[bound / norm * x for x in g] for g in gradients]


def clip_by_value(gradients, bound):
    return [[max(-bound, min(bound, x)) for x in g] for g in gradients]
