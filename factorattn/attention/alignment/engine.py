"""What the mechanisms of this family share: which score, which distribution, which pairs, which rows of keys.

o_i = sum_j p(a(q_i, k_1), ..., a(q_i, k_m))_j v_j
"""

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from factorattn.catalogue import Distribution
from factorattn.contract import choose, parse
from factorattn.distribution import DISTRIBUTIONS
from factorattn.primitives import gather
from factorattn.primitives.pairs import Band
from factorattn.primitives.softmax_attend import seen_pairs
from factorattn.primitives.tiles import scan_tiles
from factorattn.score import SCORES

__all__ = [
    "contract_of",
    "distribution_of",
    "each_tile",
    "hide",
    "looks_across",
    "pairs_of",
    "part",
    "per_tile",
    "placed_arrays",
    "score_of",
    "take_rows",
]

ROWS = 256  # queries a tile where every pair has a number


def _plain(registry: Mapping[str, Callable], given: int) -> dict[str, Callable]:
    """The functions of a registry that need nothing beside their first arguments."""
    others = {name: list(inspect.signature(f).parameters.values())[given:] for name, f in registry.items()}
    return {name: f for name, f in registry.items() if all(p.default is not p.empty for p in others[name])}


PLAIN_SCORES = _plain(SCORES, 2)
PLAIN_DISTRIBUTIONS = _plain(DISTRIBUTIONS, 1)


def score_of(score: str | Callable) -> Callable:
    """The score of a name, if it has no learned arrays; a callable as it is."""
    return score if callable(score) else choose(PLAIN_SCORES, score=score)


def distribution_of(distribution: str | Callable) -> Callable:
    """The distribution of a name, if it needs no options; a callable as it is."""
    return distribution if callable(distribution) else choose(PLAIN_DISTRIBUTIONS, distribution=distribution)


def _record(f: Callable) -> Any | None:
    """The record of a function of this library, also inside ``functools.partial``."""
    while hasattr(f, "func"):
        f = f.func
    return getattr(f, "record", None)


def looks_across(distribution: Callable) -> bool:
    """Whether the weights of a query depend on other queries, as its record tells."""
    record = _record(distribution)
    return record is not None and record.output != "m"


def contract_of(score: Callable, inputs: str) -> str:
    """The contract `inputs`, with keys as wide as queries unless the score allows more."""
    record = _record(score)
    if record is not None:
        q, k, *_ = parse(record.inputs)
        if q.axes[-1] == k.axes[-1]:
            return inputs
    return inputs.replace("k: ... m d", "k: ... m c")


def placed_arrays(f: Callable, letter: str) -> dict[str, int]:
    """Arrays bound by ``functools.partial`` to a function of this library that have an axis of a letter: name to axis.

    Axes count from the end. Those of a distribution of rows come after the axis of queries, the last batch axis.
    """
    record = _record(f)
    if record is None or not isinstance(f, partial):
        return {}
    by_row = isinstance(record, Distribution) and record.output == "m"
    axes = {item.name: ("n", *item.axes) if by_row else item.axes for item in parse(record.inputs)}
    found = {name: own.index(letter) - len(own) for name, own in axes.items() if letter in own}
    return {name: axis for name, axis in found.items() if len(getattr(f.keywords.get(name), "shape", ())) >= -axis}


def per_tile(f: Callable, n: int, *, kind: str) -> Callable[[slice], Callable]:
    """A function ``at(rows)``: `f` for a tile of the n queries, the arrays that are bound to it cut to the same tile.

    Raises
    ------
    ValueError
        If such an array has another number of queries.
    """
    axes = placed_arrays(f, "n")
    arrays = {name: f.keywords[name] for name in axes}  # type: ignore[attr-defined]
    for name, axis in axes.items():
        own = arrays[name].shape[axis]
        if own != n and not (own == 1 and kind == "distribution"):
            raise ValueError(f"{name} of the {kind} must have {n} queries along axis {axis}, got {own}")
    cut = {name: axis for name, axis in axes.items() if arrays[name].shape[axis] > 1}

    def at(rows):
        parts = {name: arrays[name][(..., rows, *[slice(None)] * (-axis - 1))] for name, axis in cut.items()}
        return partial(f, **parts) if parts else f

    return at


def pairs_of(score: Callable, q: Any, k: Any, *, xp: Any) -> Any:
    """The scores (..., rows, m) of the pairs; a score that ignores queries or keys reaches all of them.

    Raises
    ------
    ValueError
        If the score returns another number of queries or keys than it was given.
    """
    a, shape = score(q, k), (q.shape[-2], k.shape[-2])
    if len(a.shape) < 2 or any(own not in (1, want) for own, want in zip(a.shape[-2:], shape, strict=True)):
        raise ValueError(
            f"score must return shape (..., {shape[0]}, {shape[1]}) for {shape[0]} queries and {shape[1]} keys, got "
            f"{tuple(a.shape)}; form 'dense' gives it all queries and keys at once"
        )
    return xp.broadcast_to(a, (*a.shape[:-2], *shape))


def hide(a: Any, rows: slice, *, mask: Any | None, bias: Any | None, band: Band, xp: Any) -> tuple[Any, bool]:
    """Scores (..., rows, m) with the bias added and -inf where a pair is not seen; and whether any might be hidden."""
    m = a.shape[-1]
    if bias is not None:
        bias = part(bias, rows)
        a = xp.where(bias == -xp.inf, -xp.inf, a + bias)  # also where the score is NaN
    seen = seen_pairs(part(mask, rows), rows, slice(0, m), band, xp=xp, device=a.device)
    a = a if seen is None else xp.where(seen, a, -xp.inf)
    return a, seen is not None or bias is not None


def part(table: Any | None, rows: slice) -> Any | None:
    """The rows of an array that broadcasts to (..., n, m)."""
    return table if table is None or table.shape[-2] == 1 else table[..., rows, :]


def each_tile(attend_rows: Callable, n: int, size: int, *, xp: Any) -> Any:
    """Join ``attend_rows(rows)`` (..., rows, e) over tiles of n queries."""
    if n == 0:
        return attend_rows(slice(0, 0))
    return scan_tiles(lambda _, rows: (None, attend_rows(rows)), None, 0, n, size, xp=xp)[1]


def take_rows(x: Any, place: Any, *, xp: Any) -> Any:
    """The rows of x (..., m, e) at integer places (..., n, w): an array (..., n, w, e). Batch axes broadcast."""
    *batch, n, w = place.shape
    rows = gather.take_rows(x, xp.reshape(place, (*batch, n * w)), xp=xp)  # (..., n w, e)
    return xp.reshape(rows, (*rows.shape[:-2], n, w, rows.shape[-1]))
