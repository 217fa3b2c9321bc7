"""Shapes with pairs that are drawn at random.

Draws are without replacement, row by row from one stream: the first rows of a longer pattern are those of a shorter.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

from factorattn.pattern.options import at_least
from factorattn.pattern.pattern import Pattern
from factorattn.pattern.shapes import band, columns
from factorattn.scalars import flag, generator

__all__ = ["bigbird", "random", "random_blocks"]


def random(n: int, m: int, keys: int, *, rng: Any = None) -> Pattern:
    """For each query, `keys` different keys drawn at random."""
    if at_least("keys", keys, 0) > m:
        raise ValueError(f"keys must be at most {m}, got {keys}")
    return Pattern.from_pairs(n, m, np.arange(n)[:, None], _subsets(np.full(n, m), keys, generator(rng)))


def bigbird(
    n: int,
    block: int,
    *,
    window: int = 1,
    global_tokens: Iterable[int] | None = None,
    random: Any = 3,
    rng: Any = 0,
    causal: bool = False,
) -> Pattern:
    """Blocks near, tokens that see and are seen by all, and blocks drawn at random (Zaheer et al. 2020).

    Parameters
    ----------
    n, block : int
        Length, and length of a block.
    window : int
        How many blocks to each side are near.
    global_tokens : iterable of int, optional
        By default the tokens of the first block and, unless `causal`, of the last.
    random, rng
        As in `random_blocks`.
    causal : bool
        Keep the pairs with j <= i.
    """
    tokens = block_ends(n, block, causal=causal) if global_tokens is None else list(global_tokens)
    table = random_blocks(n, block, random, window=window, global_tokens=tokens, causal=causal, rng=rng)
    size = table.shape[0]
    i, slot = np.nonzero(table >= 0)
    near = band(size, size, -window, window) | Pattern.from_pairs(size, size, i, table[i, slot])
    seen = columns(n, n, tokens)
    every = near.spread(block, n, n) | seen | seen.transposed()
    return every.causal() if causal else every


def block_ends(n: int, block: int, *, causal: bool) -> list[int]:
    """The tokens of the first block and, unless `causal`, of the last."""
    at_least("block", block, 1)
    last = n if flag(causal=causal) else (n - 1) // block * block
    return sorted({*range(min(block, n)), *range(max(last, 0), n)})


def random_blocks(
    n: int, block: int, random: Any, *, window: int, global_tokens: Iterable[int], causal: bool = False, rng: Any = 0
) -> np.ndarray:
    """For each block of queries, blocks of keys drawn from those that are neither near nor global.

    Parameters
    ----------
    random : int or array of int, shape (ceil(n / block), r)
        How many are drawn; or the blocks themselves (-1 for none); those that repeat, are near or are global are left
        out.
    causal : bool
        Draw earlier blocks only.

    Returns
    -------
    table : array of int64, shape (ceil(n / block), r)
        Numbers of blocks; -1 where there was none left to draw.
    """
    size = -(-n // at_least("block", block, 1))
    each, reach = np.arange(size), at_least("window", window, 0)
    tokens = np.asarray(list(global_tokens), dtype=np.int64)
    taken = np.bincount(tokens // block, minlength=size) == np.minimum(block, n - each * block)
    free = np.flatnonzero(~taken)  # blocks that are not global as a whole
    begin, end = np.searchsorted(free, each - reach), np.searchsorted(free, each + reach, side="right")
    if np.ndim(random) == 0:
        allowed = begin if flag(causal=causal) else begin + free.size - end
        rank = _subsets(allowed, at_least("random", random, 0), generator(rng))
        skipped = np.where(rank < begin[:, None], rank, rank + (end - begin)[:, None])
        return np.where(rank < 0, -1, free[skipped] if free.size else rank)
    table = np.asarray(random)
    if table.dtype.kind not in "iu" or table.ndim != 2 or table.shape[0] != size:
        raise ValueError(f"random must be a number or integers of shape ({size}, r), got {table.dtype} {table.shape}")
    if table.size and not (table.min() >= -1 and table.max() < size):
        raise ValueError(f"random must hold blocks in -1 .. {size - 1}, got {table.min()} .. {table.max()}")
    table = table.astype(np.int64)
    near = np.abs(table - each[:, None]) <= reach
    order = np.argsort(table, axis=1, kind="stable")
    ordered = np.take_along_axis(table, order, axis=1)
    again = np.zeros(table.shape, dtype=bool)
    np.put_along_axis(again, order, np.diff(ordered, axis=1, prepend=-1) == 0, axis=1)
    later = (table > each[:, None]) & flag(causal=causal)
    return np.where(near | again | later | np.append(taken, False)[table], -1, table)  # -1 finds the one appended


def _subsets(sizes: np.ndarray, keys: int, source: np.random.Generator) -> np.ndarray:
    """For each size s, `keys` different numbers below s; -1 in place of those that s has not (R. Floyd's algorithm)."""
    keys_of = np.minimum(sizes, keys)
    drawn = source.random((sizes.size, keys))
    chosen: list[np.ndarray] = []
    for step in range(keys):
        top = sizes - keys_of + step  # one more number may be drawn at each step
        pick = (drawn[:, step] * (top + 1)).astype(np.int64)
        again = np.zeros(pick.shape, dtype=bool)
        for earlier in chosen:
            again |= earlier == pick
        pick[again] = top[again]
        pick[step >= keys_of] = -1
        chosen.append(pick)
    return np.stack(chosen, axis=1) if chosen else np.empty((sizes.size, 0), dtype=np.int64)
