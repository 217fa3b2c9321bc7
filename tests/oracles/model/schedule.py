"""Learning rates by step, from the equations of Vaswani et al. 2017 and of Ma and Yarats 2021; plain Python numbers."""

import math


def noam(step, c, warmup):
    return c**-0.5 * min(step**-0.5, step * warmup**-1.5)


def linear(step, warmup):
    return step / warmup if step < warmup else 1.0


def exponential(step, warmup):
    return 1.0 - math.exp(-step / warmup)


def untuned_linear(step, beta2):
    return min(1.0, (1 - beta2) / 2 * step)


def untuned_exponential(step, beta2):
    return 1.0 - math.exp(-(1 - beta2) * step)


def inverse_sqrt(step, after):
    return 1.0 if step < after else math.sqrt(after / step)
