"""What the mechanisms of this family share: which score, which distribution, which pairs, which rows of keys.

o_i = sum_j p(a(q_i, k_1), ..., a(q_i, k_m))_j v_j
"""

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

from factorattn.contract import choose, parse
from factorattn.distribution import DISTRIBUTIONS
from factorattn.primitives.pairs import Band
from factorattn.primitives.softmax_attend import seen_pairs
from factorattn.primitives.tiles import scan_tiles
from factorattn.score import SCORES

__all__ = ["contract_of", "distribution_of", "each_tile", "hide", "looks_across", "part", "score_of", "take_rows"]

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
    *batch, m, e = x.shape
    first = m * xp.arange(math.prod(batch), dtype=xp.int64, device=x.device)
    index = place + xp.reshape(first, (*batch, 1, 1))  # (..., n, w), into the rows of all members of the batch
    rows = xp.take(xp.reshape(x, (math.prod(batch) * m, e)), xp.reshape(index, (math.prod(index.shape),)), axis=0)
    return xp.reshape(rows, (*index.shape, e))
