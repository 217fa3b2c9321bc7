"""A mechanism that declares less than the square of the length holds less: counted, and measured, to n = 65,536."""

import tracemalloc
from collections import Counter

import numpy as np
import pytest

from factorattn import CATALOGUE, cost, kernels
from factorattn.complexity import monomials
from factorattn.contract import parse, sample
from factorattn.testing import SIZES

LENGTHS = {"n", "m", "x", "y"}
SHORT, LONG = 2**14, 2**16
SMALL = {**SIZES, "d": 8, "e": 8, "r": 16, "w": 16, "b": 64}  # sizes beside the length stay as they are
SHARE = 1.1  # what is held beside the parts that grow may be a tenth


def power(f):
    """The highest power of the length in what is declared; the two sides of a grid make one length."""
    found = [
        sum(exponent / (2 if letter in "xy" else 1) for letter, exponent in monomial if letter in LENGTHS)
        for formula in (f.record.time, f.record.memory)
        for monomial in monomials(formula)
    ]
    return max(found, default=0)


def sizes(f, n):
    """Sizes at length n; the two sides of a grid share it."""
    letters = {letter for item in parse(f.record.inputs) for letter in item.axes}
    grid = {"x": round(n**0.5), "y": round(n**0.5)} if "x" in letters else {}
    return {**SMALL, "n": n, "m": n, **grid}


def options(f):
    return {"causal": True} if f.record.causal in ("option", "values") else {}


SUBQUADRATIC = [f for f in CATALOGUE.values() if power(f) < 2]


@pytest.mark.parametrize("f", SUBQUADRATIC, ids=lambda f: f.__name__)
def test_counted_memory_grows_as_declared_and_no_faster(f):
    with kernels("off"):
        short, long = (cost(f, sizes(f, n), **options(f)).peak for n in (SHORT, LONG))
    assert long <= SHARE * short * (LONG / SHORT) ** power(f)


@pytest.mark.slow
@pytest.mark.parametrize("f", SUBQUADRATIC, ids=lambda f: f.__name__)
def test_measured_memory_is_the_counted_one(f):
    at = sizes(f, LONG)
    inputs = sample(f.record.inputs, np.random.default_rng(0), at)
    inputs = {name: x.astype("float32") if isinstance(x, np.ndarray) else x for name, x in inputs.items()}
    with kernels("off"):
        counted = cost(f, at).peak
        f(**inputs)
        tracemalloc.start()
        try:
            f(**inputs)
            measured = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert measured <= 2 * SHARE * counted  # NumPy's own temporaries: a copy of an operand, an index of 8 bytes


def test_most_mechanisms_are_such():
    found = Counter(power(f) < 2 for f in CATALOGUE.values())
    assert found[True] > found[False]
