"""Tokens that see and are seen by all: their columns are one more part of every row, their rows stand by themselves.

pair (i, j) is seen if  (i, j) is seen without them  or  i in G  or  j in G
"""

from typing import Any

from factorattn.attention.sparse.engine import merge
from factorattn.primitives.softmax_attend import softmax_attend

__all__ = ["both", "is_central", "with_central"]


def is_central(picks: list[int], n: int, *, like: Any, xp: Any) -> Any:
    """Which of n positions are among the picks: boolean (n,)."""
    return xp.any(_places(picks, n, like=like, xp=xp)[2], axis=0)


def with_central(
    found: list[tuple[Any, Any]], q: Any, k: Any, v: Any, own: Any, picks: list[int], *, causal, scale, mask, xp
) -> Any:
    """Join what was found without the columns of the picks with them, and put in their rows.

    Parameters
    ----------
    found : list of (o, lse)
        Parts over disjoint sets of keys, none of them picked.
    own : sequence of three arrays
        What stands for q, k and v in the rows of the picks.
    """
    if not picks:
        return merge(found, xp=xp) if len(found) > 1 else found[0][0]
    index, i, at = _places(picks, q.shape[-2], like=q, xp=xp)  # (g,), (n,), (g, n)
    slot = xp.sum(xp.where(at, xp.arange(len(picks), dtype=xp.int64, device=q.device)[:, None], 0), axis=0)  # (n,)
    columns = softmax_attend(
        q, xp.take(k, index, axis=-2), xp.take(v, index, axis=-2), scale=scale,
        mask=both(index[None, :] <= i[:, None] if causal else None, _some(mask, index, -1, xp=xp)),
    )  # fmt: skip
    rows, _ = softmax_attend(
        xp.take(own[0], index, axis=-2), own[1], own[2], scale=scale,
        mask=both(i[None, :] <= index[:, None] if causal else None, _some(mask, index, -2, xp=xp)),
    )  # (..., g, e)  # fmt: skip
    is_pick = xp.any(at, axis=0)[:, None]
    return xp.where(is_pick, xp.take(rows, slot, axis=-2), merge([*found, columns], xp=xp))


def both(one: Any | None, other: Any | None) -> Any | None:
    """What two masks allow; None is no mask."""
    return one if other is None else other if one is None else one & other


def _some(mask, index, axis, *, xp):
    """The entries of a mask along an axis, if it has any there."""
    return mask if mask is None or mask.shape[axis] == 1 else xp.take(mask, index, axis=axis)


def _places(picks, n, *, like, xp):
    """The picked positions (g,), all positions (n,), and which are equal (g, n)."""
    index = xp.asarray(picks, dtype=xp.int64, device=like.device)
    i = xp.arange(n, dtype=xp.int64, device=like.device)
    return index, i, index[:, None] == i[None, :]
