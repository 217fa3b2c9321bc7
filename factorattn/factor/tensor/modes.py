"""What the factorizations of tensors share: the door, the ranks, and a tensor seen from one of its modes."""

import math
import operator
from collections.abc import Sequence
from numbers import Integral
from typing import Any

from factorattn.factor.door import admit, unit_scale
from factorattn.scalars import real, whole

__all__ = [
    "admit_tensor",
    "fold",
    "left_out",
    "norm",
    "rank_for",
    "ranks_of",
    "scaled",
    "slack",
    "unfold",
]


def admit_tensor(a: Any, rows: Any) -> tuple[Any, Any, Any, int]:
    """Let in a tensor of two or more modes, and how many of them number the rows of its unfolding.

    Returns
    -------
    xp : namespace
    a : array
        Divided by `scale`, so that no square overflows.
    scale : array, shape ()
        A power of two near the largest entry.
    rows : int
    """
    if getattr(a, "ndim", 2) < 2:
        raise ValueError(
            f"a must have two or more axes, each a mode, got shape {tuple(a.shape)}; reshape it into modes"
        )
    xp, _, (a,) = admit("a: ... p q", a=a)
    count = whole(rows=rows)
    if not 1 <= count < a.ndim:
        raise ValueError(f"rows must be in 1 .. {a.ndim - 1}, so that modes remain for the columns, got {count}")
    return xp, *scaled(a, xp=xp), count


def scaled(t: Any, *, xp: Any) -> tuple[Any, Any]:
    """A tensor over a power of two near its largest entry, and that power."""
    if 0 in t.shape:
        return t, xp.ones((), dtype=xp.abs(t).dtype, device=t.device)
    scale = unit_scale(xp.reshape(t, (math.prod(t.shape), 1)), xp=xp)[0, 0]
    return t / scale, scale


def ranks_of(rank: Any, count: int) -> tuple[float, ...]:
    """One rank for all of `count` places, or a tuple of as many; infinity for None, which caps nothing."""
    if rank is None:
        return (math.inf,) * count
    given = tuple(rank) if isinstance(rank, Sequence) and not isinstance(rank, str) else (rank,) * count
    proper = len(given) == count and all(isinstance(r, Integral) and not isinstance(r, bool) for r in given)
    if not proper or any(operator.index(r) < 1 for r in given):
        raise ValueError(f"rank must be a positive integer or a tuple of {count}, got {rank!r}")
    return tuple(operator.index(r) for r in given)


def slack(a: Any, tolerance: Any, places: int, *, xp: Any) -> Any:
    """What each of several truncations may discard, so that all together stay within a relative `tolerance` of |a|."""
    if tolerance is None:
        return None
    if real(tolerance=tolerance) < 0:
        raise ValueError(f"tolerance must not be negative, got {tolerance!r}")
    return norm(a, xp=xp) * (float(tolerance) / math.sqrt(places))


def rank_for(s: Any, cap: float, allowed: Any, *, xp: Any) -> int:
    """How many of the falling singular values s (..., k) to keep: `cap` at the most.

    With `allowed`, as few as leave out no more than that in the Frobenius norm, but one: this looks at values.
    """
    top = int(min(cap, s.shape[-1]))
    if allowed is None or top == 0:
        return top
    without = xp.sqrt(xp.flip(xp.cumulative_sum(xp.flip(s * s))))  # the norm left out if 0, 1, ..., k - 1 are kept
    return max(1, min(top, int(xp.sum(xp.astype(without > allowed, xp.int64)))))


def left_out(s: Any, keep: int, *, xp: Any) -> Any:
    """The norm of all but the first `keep` of the singular values s (..., k): (...)."""
    kept = xp.arange(s.shape[-1], device=s.device) < keep
    return xp.linalg.vector_norm(xp.where(kept, xp.zeros_like(s), s), axis=-1)


def unfold(t: Any, mode: int, *, xp: Any) -> Any:
    """The matrix (n_k, all others) whose rows are the slices of one mode."""
    n = t.shape[mode]
    return xp.reshape(xp.moveaxis(t, mode, 0), (n, math.prod(t.shape[:mode] + t.shape[mode + 1 :])))


def fold(m: Any, mode: int, others: tuple[int, ...], *, xp: Any) -> Any:
    """The tensor that `unfold` makes m of, whose other modes have the lengths `others`."""
    return xp.moveaxis(xp.reshape(m, (m.shape[0], *others)), 0, mode)


def norm(t: Any, *, xp: Any) -> Any:
    """The Frobenius norm of a tensor."""
    return xp.linalg.vector_norm(xp.reshape(t, (math.prod(t.shape),)))
