"""Sparse attention in blocks: queries of a block meet the keys of their block and of a margin, and no others.

    block I of b queries  x  keys from I b - left to I b + b + right:   n / b small products instead of one of n x n

Partial results over disjoint sets of keys are merged by their log-sum-exp (Milakov and Gimelshein 2018).
"""

from collections.abc import Callable
from typing import Any

from factorattn.primitives.pairs import Band, finite_top
from factorattn.primitives.softmax_attend import softmax_attend
from factorattn.primitives.tiles import scan_tiles

__all__ = [
    "LEAST_BLOCK", "attend_blocks", "attend_classes", "attend_neighbours", "attend_tiles", "cut", "joined", "merge",
    "of_keys", "padded", "rows_of", "swapped", "window_band",
]  # fmt: skip

LEAST_BLOCK = 64  # a narrower window still gets blocks of this size: small products are slow
GROUP = 4  # blocks that are computed together: enough to be fast, few enough to stay in a cache
ROWS = 256  # queries that are computed together where they see keys of all places


def window_band(window: int, causal: bool) -> tuple[int, int]:
    """The band lo <= j - i <= hi of a window that reaches `window` keys to the left and, unless causal, right."""
    return -window, 0 if causal else window


def of_keys(mask: Any | None) -> bool:
    """Whether a mask says the same to all queries."""
    return mask is None or mask.shape[-2] == 1


def attend_neighbours(
    q: Any, k: Any, v: Any, *, window: int, causal: bool, scale: float, mask: Any | None, dilation: int = 1, xp: Any
) -> tuple[Any, Any]:
    """Windowed attention: query i sees the keys i + t dilation, |t| <= window (and t <= 0), by `attend_blocks`.

    Positions that are a multiple of `dilation` apart are a sequence of their own, in which the window has no gaps;
    `mask` may then tell keys only.
    """
    if dilation > 1:

        def attend(q, k, v, mask):
            return attend_neighbours(q, k, v, window=window, causal=causal, scale=scale, mask=mask, xp=xp)

        return attend_classes(attend, q, k, v, step=dilation, mask=mask, xp=xp)
    reach = min(window, q.shape[-2])
    return attend_blocks(
        q, k, v, block=max(reach, LEAST_BLOCK), left=reach, right=0 if causal else reach,
        band=window_band(reach, causal), scale=scale, mask=mask, xp=xp,
    )  # fmt: skip


def attend_blocks(
    q: Any,
    k: Any,
    v: Any,
    *,
    block: int,
    left: int,
    right: int,
    band: Band = (None, None),
    scale: float,
    mask: Any | None,
    bias: Callable | None = None,
    xp: Any,
) -> tuple[Any, Any]:
    """Attention of blocks of queries to their own keys and to a margin.

    Parameters
    ----------
    q, k : array, shape (..., n, d)
    v : array, shape (..., n, e)
    block, left, right : int
        The queries of block I see the keys from ``I block - left`` up to ``(I + 1) block + right``.
    band : (lo, hi)
        Of these, the keys with ``lo <= j - i <= hi``; None is no bound.
    scale : float
    mask : boolean array broadcasting to (..., n, n), of two axes or more, optional
        And of these, the pairs that it allows.
    bias : callable, optional
        Takes a slice of blocks; returns what is added to their logits, (..., blocks, block, left + block + right).

    Returns
    -------
    o : array, shape (..., n, e)
    lse : array, shape (..., n)
    """
    n = q.shape[-2]
    if mask is not None:
        mask = xp.broadcast_to(mask, (*mask.shape[:-1], n))
    queries = cut(q, block, xp=xp)  # (..., n/b, b, d)
    lo, hi = band
    moved = None if lo is None else lo + left, None if hi is None else hi + left

    def attend_group(_, group):
        starts = [number * block for number in range(group.start, group.stop)]

        def margins(x):  # (..., blocks, left + b + right, d)
            stretch = rows_of(x, starts[0] - left, starts[-1] + block + right, xp=xp)
            parts = [stretch[..., at - starts[0] : at - starts[0] + left + block + right, :] for at in starts]
            return xp.stack(parts, axis=-3)

        def rectangles(x):  # (..., blocks, b, left + b + right)
            rows = [x if x.shape[-2] == 1 else rows_of(x, at, at + block, xp=xp) for at in starts]
            parts = [rows_of(x.mT, at - left, at + block + right, xp=xp).mT for x, at in zip(rows, starts, strict=True)]
            return xp.stack(parts, axis=-3)

        inside = starts[0] >= left and starts[-1] + block + right <= n
        seen = None if inside else margins(xp.ones((n, 1), dtype=xp.bool, device=q.device)).mT
        o, lse = softmax_attend(
            queries[..., group, :, :], margins(k), margins(v), scale=scale, band=moved,
            mask=seen if mask is None else rectangles(mask), bias=None if bias is None else bias(group),
        )  # fmt: skip
        return None, (o, lse[..., None])

    size = GROUP * max(LEAST_BLOCK // block, 1)
    _, (o, lse) = scan_tiles(attend_group, None, 0, queries.shape[-3], size, xp=xp, axis=-3)  # (..., n/b, b, e)
    return joined(o, n, xp=xp), joined(lse, n, xp=xp)[..., 0]


def attend_classes(attend: Callable, q: Any, k: Any, v: Any, *, step: int, mask: Any | None, xp: Any) -> Any:
    """Let positions attend within their class modulo `step`: ``attend(q, k, v, mask)`` gets (..., 1, n/step, d).

    A class may end in a row of zeros, which its mask hides. `mask` tells keys only: (..., 1, n).
    """
    n = q.shape[-2]
    step = min(step, max(n, 1))
    if mask is not None:
        mask = xp.broadcast_to(mask, (*mask.shape[:-1], n))
    elif n % step:
        mask = xp.ones((1, n), dtype=xp.bool, device=q.device)
    q, k, v, shown = (
        None if x is None else swapped(cut(x, step, xp=xp), xp=xp) for x in (q, k, v, None if mask is None else mask.mT)
    )

    def attend_class(_, one):
        parts = (None if x is None else x[..., one, :, :] for x in (q, k, v, None if shown is None else shown.mT))
        o, lse = attend(*parts)  # (..., 1, n/step, e)
        return None, (o, lse[..., None])

    _, (o, lse) = scan_tiles(attend_class, None, 0, step, 1, xp=xp, axis=-3)
    return joined(swapped(o, xp=xp), n, xp=xp), joined(swapped(lse, xp=xp), n, xp=xp)[..., 0]


def attend_tiles(q: Any, k: Any, v: Any, seen: Callable, *, scale: float, mask: Any | None, xp: Any) -> tuple[Any, Any]:
    """Attention of queries (..., n, d) to keys (..., m, d), ROWS queries at a time: ``seen(i, j)`` says which pairs.

    It gets the numbers of the queries (rows, 1) and of the keys (1, m). `mask` tells keys only: (..., 1, m).
    """
    j = xp.arange(k.shape[-2], dtype=xp.int64, device=q.device)[None, :]

    def attend_rows(_, rows):
        i = xp.arange(rows.start, rows.stop, dtype=xp.int64, device=q.device)[:, None]
        allowed = seen(i, j) if mask is None else seen(i, j) & mask
        o, lse = softmax_attend(q[..., rows, :], k, v, scale=scale, mask=allowed)
        return None, (o, lse[..., None])

    size = min(ROWS, max(q.shape[-2], 1))
    out = scan_tiles(attend_rows, None, 0, q.shape[-2], size, xp=xp)[1] or attend_rows(None, slice(0, 0))[1]
    return out[0], out[1][..., 0]


def merge(parts: list[tuple[Any, Any]], *, xp: Any) -> Any:
    """Join outputs (..., n, e) and log-sum-exps (..., n) over disjoint sets of keys: the output over all of them."""
    lses = xp.stack([lse for _, lse in parts], axis=-1)  # (..., n, parts)
    shares = xp.exp(lses - finite_top(xp.max(lses, axis=-1, keepdims=True), xp=xp))
    total = xp.sum(shares, axis=-1, keepdims=True)  # (..., n, 1)
    shares = shares / xp.where(total == 0, 1.0, total)
    return sum(o * shares[..., index, None] for index, (o, _) in enumerate(parts))


def cut(x: Any, block: int, *, xp: Any) -> Any:
    """Cut the rows of x (..., n, d) into blocks (..., n/b, b, d), at least one, filled up with zeros (or False)."""
    n = x.shape[-2]
    blocks = max(-(-n // block), 1)
    x = padded(x, 0, blocks * block - n, xp=xp)
    return xp.reshape(x, (*x.shape[:-2], blocks, block, x.shape[-1]))


def padded(x: Any, before: int, after: int, *, xp: Any) -> Any:
    """Rows of zeros (or False) before and after those of x (..., n, d)."""
    rows = [xp.zeros((*x.shape[:-2], more, x.shape[-1]), dtype=x.dtype, device=x.device) for more in (before, after)]
    return xp.concat([rows[0], x, rows[1]], axis=-2) if before or after else x


def rows_of(x: Any, first: int, stop: int, *, xp: Any) -> Any:
    """Rows of x (..., n, d) from `first` up to `stop`, zeros where there are none."""
    begin, end = max(first, 0), min(stop, x.shape[-2])
    return padded(x[..., begin:end, :], begin - first, stop - end, xp=xp)


def joined(x: Any, n: int, *, xp: Any) -> Any:
    """The first n rows of blocks (..., n/b, b, d), one after the other: (..., n, d)."""
    return xp.reshape(x, (*x.shape[:-3], x.shape[-3] * x.shape[-2], x.shape[-1]))[..., :n, :]


def swapped(x: Any, *, xp: Any) -> Any:
    """Axes -3 and -2 exchanged."""
    axes = tuple(range(x.ndim))
    return xp.permute_dims(x, (*axes[:-3], axes[-2], axes[-3], axes[-1]))
