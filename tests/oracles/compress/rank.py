"""Ranks of layers by trying all of them."""

import itertools
import math


def choices(s, shape, *, weight):
    """What a layer may be: (parameters, squared error, rank), None for dense, which is all that is kept of rank 0."""
    p, q = shape
    energy = math.fsum(x * x for x in s)
    unit = {"entries": energy / (p * q), "layers": energy, "norm": 1.0}[weight] or 1.0
    out = [
        (r * (p + q), math.fsum(x * x for x in s[r:]) / unit, r) for r in range(1, min(p, q) + 1) if r * (p + q) < p * q
    ]
    return [*out, (p * q, 0.0, None)]


def every(spectra, shapes, *, weight):
    """All (parameters, squared error, ranks) of several layers."""
    of = [choices(spectra[name], shapes[name], weight=weight) for name in spectra]
    for picked in itertools.product(*of):
        yield sum(c for c, _, _ in picked), math.fsum(e for _, e, _ in picked), [r for _, _, r in picked]


def least_error(spectra, shapes, budget, *, weight="entries"):
    """The smallest squared error of all choices of at most `budget` parameters; None if there is none."""
    return min((e for c, e, _ in every(spectra, shapes, weight=weight) if c <= budget), default=None)


def fewest_parameters(spectra, shapes, error):
    """The fewest parameters of all choices whose error of all layers together is at most `error`."""
    energy = math.fsum(x * x for s in spectra.values() for x in s)
    return min(c for c, e, _ in every(spectra, shapes, weight="norm") if e <= error**2 * energy)
