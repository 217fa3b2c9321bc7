"""Gradients against central differences in float64: the oracle of every derivative.

    D(h) = (f(x + h t) - f(x - h t)) / 2 h = (df/dx) t + O(h^2),      (4 D(h / 2) - D(h)) / 3 = (df/dx) t + O(h^4)

One random direction t for each array, and one random cotangent g of the result: g . (df/dx) t is compared.
"""

import itertools
import math
from collections.abc import Callable
from typing import Any

import array_api_compat
import numpy as np

from factorattn.interpret.gradient import jvp, vjp
from factorattn.interpret.tree import tree_leaves, tree_map
from factorattn.testing.case import to_numpy
from factorattn.testing.tolerance import ROUNDING

__all__ = ["STEP", "TOLERANCE", "check_gradients"]

STEP = 2.0**-10  # h^4 is below 1e-12
TOLERANCE = 1e-6


def check_gradients(f: Callable, *args: Any, seed: int = 0, forward: bool = True) -> None:
    """Hold the derivatives of a function by all its floating arrays against central differences.

    Parameters
    ----------
    f : callable
        Of trees of arrays in float64; returns a tree of arrays.
    *args : trees
        Where the function is smooth.
    seed : int
        Of directions and cotangents.
    forward : bool
        Whether to try `jvp`, too.

    Raises
    ------
    AssertionError
        If a derivative is off by more than 1e-6 of itself, and more than the rounding of differences explains.
    ValueError
        If there is nothing to differentiate: no argument, or no result, has an array of real floating dtype.
    """
    rng = np.random.default_rng(seed)
    out, pullback = vjp(f, *args)
    for name, tree in (("arguments", args), ("results", out)):
        if not any(map(_floats, tree_leaves(tree))):
            raise ValueError(f"{name} must have an array of real floating dtype, got {tree!r:.80}")
    cotangent = tree_map(lambda y: _drawn(rng, y), _smooth(out))
    pulled: list[Any] = []
    tree_map(lambda _, g: pulled.append(g), args, pullback(cotangent))
    for place, (x, g) in enumerate(zip(tree_leaves(args), pulled, strict=True)):
        if g is None or 0 in x.shape:
            continue
        if tuple(g.shape) != tuple(x.shape) or g.dtype != x.dtype:
            raise AssertionError(
                f"the gradient by array {place} must be like {x.shape} {x.dtype}, got {g.shape} {g.dtype}"
            )
        direction = _only(place, _drawn(rng, x), args)
        want, noise = _difference(f, args, direction, cotangent)
        found = {"back": _inner(g, tree_leaves(direction)[_floating_before(args, place)])}
        if forward:
            found["forward"] = _total(_smooth(jvp(f, args, direction)[1]), cotangent)
        for way, got in found.items():
            if not abs(got - want) <= TOLERANCE * max(abs(want), abs(got)) + noise:
                raise AssertionError(
                    f"by array {place} of shape {tuple(x.shape)}, {way}: {got!r}, but differences give {want!r}"
                )


def _difference(f, args, direction, cotangent):
    """The derivative of cotangent . f along a direction by differences, and how far rounding may move it."""

    def moved(h):
        return _smooth(f(*tree_map(lambda x, t: x if t is None else x + h * t, args, direction)))

    def slope(h):
        return _total(tree_map(lambda up, down: up - down, moved(h), moved(-h)), cotangent) / (2 * h)

    sizes = [np.abs(to_numpy(y) * to_numpy(g)) for y, g in zip(*map(tree_leaves, (moved(0), cotangent)), strict=True)]
    entries = sum(math.prod(x.shape) for x in tree_leaves(args))
    noise = ROUNDING(np.float64, entries) * sum(map(np.sum, sizes)) / STEP
    return (4 * slope(STEP / 2) - slope(STEP)) / 3, noise


def _only(place, t, args):
    """A direction that moves one array alone; None where an array is not floating."""
    count = itertools.count()

    def part(x):
        here = next(count) == place
        return (t if here else array_api_compat.array_namespace(x).zeros_like(x)) if _floats(x) else None

    return tree_map(part, args)


def _smooth(tree):
    """The tree without what does not move: whole numbers and booleans."""
    return tree_map(lambda x: x if _floats(x) else None, tree)


def _floating_before(args, place):
    return sum(map(_floats, tree_leaves(args)[:place]))


def _drawn(rng, x):
    """Standard normal numbers like x."""
    xp = array_api_compat.array_namespace(x)
    return xp.asarray(rng.standard_normal(tuple(x.shape)), dtype=x.dtype, device=array_api_compat.device(x))


def _floats(x):
    return array_api_compat.array_namespace(x).isdtype(x.dtype, "real floating")


def _inner(a, b):
    return float(np.sum(to_numpy(a) * to_numpy(b)))


def _total(a, b):
    return sum(_inner(x, y) for x, y in zip(tree_leaves(a), tree_leaves(b), strict=True))
