"""Shapes on a sequence: each function is the set of pairs that a paper defines.

Positions count from 0; `causal` keeps the pairs with j <= i + m - n.
"""

from collections.abc import Iterable

import numpy as np

from factorattn.contract import choose
from factorattn.pattern.options import at_least
from factorattn.pattern.pattern import Pattern
from factorattn.scalars import flag, whole

__all__ = [
    "band",
    "blocks",
    "causal",
    "columns",
    "dilated",
    "fixed",
    "full",
    "identity",
    "local_1d",
    "longformer",
    "nothing",
    "sinks",
    "strided",
    "window",
]


def full(n: int, m: int | None = None) -> Pattern:
    """All pairs."""
    return ~nothing(n, m)


def nothing(n: int, m: int | None = None) -> Pattern:
    """No pair."""
    return Pattern(n, n if m is None else m, np.empty(0, dtype=np.int64))


def identity(n: int) -> Pattern:
    """Each position and itself."""
    return band(n, n, 0, 0)


def band(n: int, m: int, lo: int | None, hi: int | None) -> Pattern:
    """The pairs with ``lo <= j - i <= hi``; None is no bound."""
    i = np.arange(n)
    return Pattern.from_runs(n, m, i, 0 if lo is None else i + whole(lo=lo), m if hi is None else i + whole(hi=hi) + 1)


def causal(n: int, m: int | None = None) -> Pattern:
    """The pairs with ``j <= i + m - n``: the last query stands beside the last key."""
    return full(n, m).causal()


def columns(n: int, m: int, keys: Iterable[int]) -> Pattern:
    """All pairs with some keys."""
    keys = np.asarray(list(keys), dtype=np.int64)
    return Pattern.from_pairs(n, m, np.arange(n)[:, None], keys)


def window(n: int, window: int, *, causal: bool = False) -> Pattern:
    """The pairs with ``|i - j| <= window`` (Beltagy et al. 2020)."""
    reach = at_least("window", window, 0)
    return band(n, n, -reach, 0 if flag(causal=causal) else reach)


def dilated(n: int, window: int, dilation: int, *, causal: bool = False) -> Pattern:
    """The pairs with i - j = 0, +-dilation, .., +-window dilation (Beltagy et al. 2020)."""
    reach, step = at_least("window", window, 0), at_least("dilation", dilation, 1)
    near = np.arange(-min(reach, n // step), 1 if flag(causal=causal) else min(reach, n // step) + 1) * step
    i, j = np.arange(n)[:, None], np.arange(n)[:, None] + near
    inside = (j >= 0) & (j < n)
    return Pattern.from_pairs(n, n, np.broadcast_to(i, j.shape)[inside], j[inside])


def blocks(n: int, block: int) -> Pattern:
    """The pairs of positions in one block of `block`."""
    return identity(-(-n // at_least("block", block, 1))).spread(block, n, n)


def strided(n: int, stride: int, *, part: str = "merged") -> Pattern:
    """The strided pattern of a Sparse Transformer (Child et al. 2019): always causal.

    Part "local" holds the previous `stride` positions and the own one, "strided" those a multiple of `stride` back,
    "merged" both.
    """
    stride = at_least("stride", stride, 1)
    local, far = window(n, stride, causal=True), dilated(n, n // stride, stride, causal=True)
    return choose({"merged": local | far, "local": local, "strided": far}, part=part)


def fixed(n: int, stride: int, summary: int, *, part: str = "merged") -> Pattern:
    """The fixed pattern of a Sparse Transformer (Child et al. 2019): always causal.

    Part "local" holds the own block of `stride` positions, "summary" the last `summary` positions of every block,
    "merged" both.
    """
    stride, summary = at_least("stride", stride, 1), at_least("summary", summary, 1)
    j = np.arange(n)
    last = columns(n, n, j[j % stride >= stride - summary])
    local, far = blocks(n, stride).causal(), last.causal()
    return choose({"merged": local | far, "local": local, "summary": far}, part=part)


def longformer(
    n: int, window: int, global_tokens: Iterable[int] = (), *, dilation: int = 1, causal: bool = False
) -> Pattern:
    """A window, and tokens that see and are seen by all (Beltagy et al. 2020)."""
    seen = columns(n, n, global_tokens)
    every = dilated(n, window, dilation) | seen | seen.transposed()
    return every.causal() if flag(causal=causal) else every


def local_1d(n: int, block: int, memory: int, *, causal: bool = False) -> Pattern:
    """Blocks of queries, each with the keys of the block and `memory` more (Parmar et al. 2018).

    Causal, these lie before the block, and no query sees a later key; otherwise they lie before and after it.
    """
    block, memory = at_least("block", block, 1), at_least("memory", memory, 0)
    i = np.arange(n)
    begin = i // block * block
    stop = i + 1 if flag(causal=causal) else begin + block + memory
    return Pattern.from_runs(n, n, i, begin - memory, stop)


def sinks(n: int, window: int, sinks: int) -> Pattern:
    """A causal window, and the first `sinks` positions for all later ones."""
    first = columns(n, n, range(min(at_least("sinks", sinks, 0), n)))
    return (first | band(n, n, -at_least("window", window, 0), 0)).causal()
