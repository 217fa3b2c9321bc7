"""Sparse attention in blocks: queries of a block meet the keys of their own block and of its neighbours, and no others.

    block I of b queries  x  keys of blocks I - 1, I (and I + 1):   n / b products of b x 3 b instead of one of n x n

Partial results over disjoint sets of keys are merged by their log-sum-exp (Milakov and Gimelshein 2018).
"""

from typing import Any

from factorattn.primitives.pairs import finite_top
from factorattn.primitives.softmax_attend import softmax_attend

__all__ = ["LEAST_BLOCK", "attend_neighbours", "merge", "window_band"]

LEAST_BLOCK = 64  # a narrower window still gets blocks of this size: small products are slow


def window_band(window: int, causal: bool) -> tuple[int, int]:
    """The band lo <= j - i <= hi of a window that reaches `window` keys to the left and, unless causal, right."""
    return -window, 0 if causal else window


def attend_neighbours(
    q: Any, k: Any, v: Any, *, window: int, causal: bool, scale: float, hidden: Any | None, xp: Any
) -> tuple[Any, Any]:
    """Windowed attention, block by block.

    Parameters
    ----------
    q, k : array, shape (..., n, d)
    v : array, shape (..., n, e)
    window : int
        Query i sees keys j with ``|i - j| <= window``.
    causal : bool
        Only those with ``j <= i``.
    scale : float
    hidden : boolean array, shape (n,), optional
        Keys that no query sees.

    Returns
    -------
    o : array, shape (..., n, e)
    lse : array, shape (..., n)
    """
    n = q.shape[-2]
    block = max(min(window, n), LEAST_BLOCK)
    blocks = -(-n // block)
    sides = (1, 0) if causal else (1, 1)
    shown = xp.ones((n, 1), dtype=xp.bool, device=q.device) if hidden is None else ~hidden[:, None]
    keys, values = (_neighbours(x, block, blocks, sides, xp=xp) for x in (k, v))  # (..., n/b, 3b, d), (..., n/b, 3b, e)
    seen = _neighbours(shown, block, blocks, sides, xp=xp).mT  # (n/b, 1, 3b)
    lo, hi = window_band(min(window, n), causal)
    o, lse = softmax_attend(
        _cut(q, block, blocks, xp=xp), keys, values, scale=scale, mask=seen, band=(lo + block, hi + block)
    )  # (..., n/b, b, e), (..., n/b, b)
    o = xp.reshape(o, (*o.shape[:-3], blocks * block, o.shape[-1]))[..., :n, :]  # (..., n, e)
    return o, xp.reshape(lse, (*lse.shape[:-2], blocks * block))[..., :n]


def _cut(x, block, blocks, *, xp):
    """Cut the rows of x (..., n, d) into blocks (..., n/b, b, d), the last one filled up with zeros (or False)."""
    *batch, n, d = x.shape
    if blocks * block > n:
        x = xp.concat([x, xp.zeros((*batch, blocks * block - n, d), dtype=x.dtype, device=x.device)], axis=-2)
    return xp.reshape(x, (*batch, blocks, block, d))


def _neighbours(x, block, blocks, sides, *, xp):
    """The rows of each block of x (..., n, d) between those of its neighbours: (..., n/b, 3b, d)."""
    left, right = sides
    x = _cut(x, block, blocks, xp=xp)
    nothing = xp.zeros((*x.shape[:-3], 1, *x.shape[-2:]), dtype=x.dtype, device=x.device)
    framed = xp.concat([nothing] * left + [x] + [nothing] * right, axis=-3)
    parts = [framed[..., shift : shift + blocks, :, :] for shift in range(left + right + 1)]
    return xp.concat(parts, axis=-2)


def merge(parts: list[tuple[Any, Any]], *, xp: Any) -> Any:
    """Join outputs (..., n, e) and log-sum-exps (..., n) over disjoint sets of keys: the output over all of them."""
    lses = xp.stack([lse for _, lse in parts], axis=-1)  # (..., n, parts)
    shares = xp.exp(lses - finite_top(xp.max(lses, axis=-1, keepdims=True), xp=xp))
    total = xp.sum(shares, axis=-1, keepdims=True)  # (..., n, 1)
    shares = shares / xp.where(total == 0, 1.0, total)
    return sum(o * shares[..., index, None] for index, (o, _) in enumerate(parts))
