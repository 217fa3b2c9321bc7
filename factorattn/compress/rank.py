"""The rank of each layer, from its singular values s: for so many parameters in all, or for an error.

    rank r of a layer (p, q):   r (p + q) parameters,   squared error s_{r+1}^2 + s_{r+2}^2 + ...
    left dense:                 p q parameters,         no error

Singular values fall, so each further triplet of a layer gains less than the one before. If that were all, triplets of
all layers in order of their gain for a parameter would be optimal wherever one stops: at that gain, no layer would
rather have more or less (Everett 1963). A dense layer, which comes all at once where the rank would pass p q / (p + q),
breaks the order; so steps go along the lower convex hull of a layer's errors over its parameters.
"""

import heapq
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from factorattn.compress.host import on_host
from factorattn.contract import choose
from factorattn.scalars import positive, real, whole

__all__ = ["break_even_rank", "ranks_for_budget", "ranks_for_error"]


WEIGHTS: dict[str, Callable[[int, float], float]] = {  # of a squared error, from entries and squared norm
    "entries": lambda entries, energy: entries / energy,
    "layers": lambda entries, energy: 1.0 / energy,
    "norm": lambda entries, energy: 1.0,
}


def break_even_rank(p: int, q: int) -> int:
    """The largest rank r whose factors, r (p + q) numbers, are fewer than the p q of the matrix; 0 if there is none."""
    if min(p := whole(p=p), q := whole(q=q)) < 0:
        raise ValueError(f"p and q must not be negative, got {p} and {q}")
    return max(p * q - 1, 0) // max(p + q, 1)


def ranks_for_budget(
    spectra: Mapping[str, Any], shapes: Mapping[str, Sequence[int]], budget: float, *, weight: str = "entries"
) -> dict[str, int | None]:
    """The ranks with the least squared error, summed over all layers, for a number of parameters.

    Parameters
    ----------
    spectra : mapping of str to array, shape (k,)
        Singular values of every layer, falling; those that are missing to min(p, q) count as zero.
    shapes : mapping of str to (int, int)
        (p, q) of every layer, under the same names.
    budget : int or float
        An integer is the number of parameters of all layers together; a float, above 0 and up to 1, a share of those of
        the dense layers.
    weight : {"entries", "layers", "norm"}
        What counts alike. "entries": every entry of every layer, so that a layer's relative squared error counts as
        often as it has entries. "layers": the relative squared errors of all layers, large or small. "norm": the
        squared errors themselves, so that layers of large weights count more.

    Returns
    -------
    ranks : dict of str to int or None
        None for a layer that stays dense.

    Raises
    ------
    ValueError
        If not even rank 1 in every layer fits: the message has the smallest budget that does. If names differ, singular
        values do not fall, or the budget is no such number.

    Notes
    -----
    Steps along the hulls are taken in order of their gain for a parameter; in place of one that does not fit, single
    ranks. Until the first that does not fit, no other choice of as many parameters has a smaller error; in the end, it
    is at most the smallest possible plus the gain of that step. To be optimal in every case is a knapsack problem.

    References
    ----------
    Everett, "Generalized Lagrange Multiplier Method for Solving Problems of Optimum Allocation of Resources",
    Operations Research 11, 1963, pages 399-417.
    """
    choose(WEIGHTS, weight=weight)
    layers = _layers(spectra, shapes, weight=weight)
    dense = sum(layer.dense for layer in layers.values())
    limit = _limit(budget, dense)
    at = {name: layer.hull[0] for name, layer in layers.items()}
    left = limit - sum(layers[name].costs[i] for name, i in at.items())
    if left < 0:
        least = limit - left
        raise ValueError(
            f"budget must be at least {least} of {dense} parameters ({least / max(dense, 1):.4g} of them), "
            f"for rank 1 in every layer; got {budget}"
        )
    _spend(layers, at, left)
    return {name: layers[name].ranks[i] for name, i in at.items()}


def ranks_for_error(
    spectra: Mapping[str, Any], shapes: Mapping[str, Sequence[int]], error: float, *, total: bool = False
) -> dict[str, int | None]:
    """The ranks with the fewest parameters for a relative error in the Frobenius norm.

    Parameters
    ----------
    spectra, shapes : mappings
        As in `ranks_for_budget`.
    error : float
        What the error may be, divided by the norm of what is approximated; from 0 to 1.
    total : bool
        False: the error of every layer. True: that of all layers together, the root of the sum of their squared errors
        over that of their squared norms.

    Returns
    -------
    ranks : dict of str to int or None
        None for a layer that stays dense, since the rank it would need has no fewer parameters.

    Raises
    ------
    ValueError
        If names differ, singular values do not fall, or the error is not from 0 to 1.

    Notes
    -----
    For every layer by itself, the ranks are the smallest there are. For all together, steps along the hulls are taken
    in order of their gain for a parameter until the error is met, and the last one only as far as it must be: the
    parameters are at most the fewest possible plus those of that step.
    """
    if not 0 <= real(error=error) <= 1:
        raise ValueError(f"error must be from 0 to 1, got {error}")
    layers = _layers(spectra, shapes, weight="norm" if total else "layers")
    if not total:
        return {name: layer.ranks[_first(layer.errors, error**2)] for name, layer in layers.items()}
    at = {name: layer.hull[0] for name, layer in layers.items()}
    allowed = error**2 * sum(layer.energy for layer in layers.values())
    for _, name, to in _steps(layers):
        others = sum(layers[other].errors[i] for other, i in at.items() if other != name)
        if others + layers[name].errors[at[name]] <= allowed:
            break
        at[name] = min(to, max(at[name], _first(layers[name].errors, allowed - others)))
    return {name: layers[name].ranks[i] for name, i in at.items()}


class _Layer(NamedTuple):
    """What a layer may be: ranks 1, 2, ... and dense (None) last, in order of their costs."""

    ranks: tuple[int | None, ...]
    costs: tuple[int, ...]
    errors: np.ndarray  # squared, falling
    energy: float
    dense: int

    @property
    def hull(self) -> list[int]:
        """Those on the lower convex hull of errors over costs."""
        kept: list[int] = []
        for i in range(len(self.costs)):
            if kept and self.errors[i] >= self.errors[kept[-1]]:
                continue  # it costs more, and is no better
            while len(kept) >= 2 and self.slope(kept[-2], kept[-1]) <= self.slope(kept[-2], i):
                kept.pop()
            kept.append(i)
        return kept

    def slope(self, i: int, j: int) -> float:
        """Gain for a parameter of going from i to j."""
        return (self.errors[i] - self.errors[j]) / (self.costs[j] - self.costs[i])


def _steps(layers: Mapping[str, _Layer]) -> list[tuple[float, str, int]]:
    """Steps (gain for a parameter, name, to) along all hulls, the largest gain first; those of one layer in order."""
    runs = []
    for name, layer in layers.items():
        hull = layer.hull
        runs.append([(layer.slope(i, j), name, j) for i, j in pairwise(hull)])
    return list(heapq.merge(*runs, key=lambda step: -step[0]))


def _spend(layers: Mapping[str, _Layer], at: dict[str, int], left: int) -> None:
    """Take steps while they fit into what is left, the largest gain for a parameter first.

    A layer goes along its hull until a step does not fit, and from there rank by rank.
    """
    ahead = {name: layer.hull[1:] for name, layer in layers.items()}
    waiting: list[tuple[float, str, int]] = []

    def offer(name: str) -> None:
        if ahead[name]:
            heapq.heappush(waiting, (-layers[name].slope(at[name], ahead[name][0]), name, ahead[name][0]))

    for name in layers:
        offer(name)
    while waiting:
        _, name, to = heapq.heappop(waiting)
        cost = layers[name].costs[to] - layers[name].costs[at[name]]
        if cost <= left:
            at[name], left, ahead[name] = to, left - cost, ahead[name][1:]
        else:
            ahead[name] = list(range(at[name] + 1, to))  # none, if it was a single rank
        offer(name)


def _layers(spectra: Mapping[str, Any], shapes: Mapping[str, Sequence[int]], *, weight: str) -> dict[str, _Layer]:
    if set(spectra) != set(shapes):
        raise ValueError(f"shapes must be for {sorted(spectra)}, got {sorted(shapes)}")
    hosted = {name: _falling(name, s, shapes[name]) for name, s in spectra.items()}
    largest = max((float(s[0]) for s in hosted.values() if s.size), default=0.0)
    return {
        name: _layer(s, shapes[name], largest if weight == "norm" else float(s[0]) if s.size else 0.0, weight)
        for name, s in hosted.items()
    }


def _layer(s: np.ndarray, shape: Sequence[int], unit: float, weight: str) -> _Layer:
    p, q = shape
    most = min(p, q, break_even_rank(p, q))
    tails = _tails(np.append(s, np.zeros(min(p, q) - s.size)), unit)
    energy = float(tails[0])
    errors = np.append(tails[1 : most + 1], 0.0) * WEIGHTS[weight](p * q, energy or 1.0)
    costs = (*(r * (p + q) for r in range(1, most + 1)), p * q)
    return _Layer((*range(1, most + 1), None), costs, errors, energy, p * q)


def _tails(s: np.ndarray, unit: float) -> np.ndarray:
    """Squared errors of rank 0, 1, ... in units of `unit`^2: sums from the smallest on, so that none is lost."""
    return np.append(np.cumsum(np.square(s / (unit or 1.0))[::-1])[::-1], 0.0)


def _falling(name: str, s: Any, shape: Sequence[int]) -> np.ndarray:
    values = on_host(s)
    p, q = shape
    if values.ndim != 1 or values.size > min(p, q):
        raise ValueError(f"spectrum of {name} must have at most {min(p, q)} values, got shape {values.shape}")
    if not (np.all(np.isfinite(values)) and np.all(values >= 0) and np.all(np.diff(values) <= 0)):
        raise ValueError(f"spectrum of {name} must be finite, not negative, and fall")
    return values


def _limit(budget: float, dense: int) -> int:
    if hasattr(budget, "__index__"):
        return whole(budget=budget)
    if positive(budget=budget) > 1:
        raise ValueError(f"budget must be an integer, or a share of at most 1.0, got {budget!r}")
    return int(budget * dense)


def _first(errors: np.ndarray, allowed: float) -> int:
    """The first choice whose error is allowed; the last, dense, always is."""
    return int(np.argmax(errors <= max(allowed, 0.0)))
