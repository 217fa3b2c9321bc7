"""What a user may say about pairs of queries and keys: scale, mask, bias, causality, window; checked in one place."""

from typing import Any

import numpy as np
from array_api_compat import array_namespace, is_array_api_obj

from factorattn.contract import check_batches
from factorattn.primitives.pairs import Band
from factorattn.scalars import flag, real, whole

__all__ = ["band_of", "check_pairs", "scale_of"]


def scale_of(scale: float | None, d: int) -> float:
    """The factor of q . k: by default 1 / sqrt(d), and any number where there are no entries to multiply."""
    if scale is not None:
        return real(scale=scale)
    return d**-0.5 if d else 1.0


def check_pairs(mask: Any | None, bias: Any | None, q: Any, k: Any, v: Any, *, xp: Any) -> tuple[Any, Any]:
    """Hold `mask` and `bias` against queries and keys; return them with two axes at least, bias in the dtype of q."""
    n, m = q.shape[-2], k.shape[-2]
    tables: tuple[tuple[str, Any], ...] = (("mask", mask), ("bias", bias))
    for name, table in tables:
        if table is None:
            continue
        want = "bool" if name == "mask" else "real floating"
        if not is_array_api_obj(table) or array_namespace(table) is not xp:
            raise TypeError(f"{name} must be an array of the same library as q, got {type(table).__name__}")
        if not xp.isdtype(table.dtype, want):
            raise TypeError(f"{name} must have dtype {want}, got {table.dtype}")
        try:
            fits = np.broadcast_shapes(tuple(table.shape)[-2:], (n, m)) == (n, m)
        except ValueError:
            fits = False
        if not fits:
            raise ValueError(f"{name} must broadcast to (..., {n}, {m}), got shape {tuple(table.shape)}")
    if mask is not None and mask.ndim < 2:
        mask = xp.broadcast_to(mask, (n, m))
    if bias is not None:
        bias = xp.astype(xp.broadcast_to(bias, (n, m)) if bias.ndim < 2 else bias, q.dtype, copy=False)
    named = {"q": q, "k": k, "v": v, "mask": mask, "bias": bias}
    check_batches({name: tuple(x.shape)[:-2] for name, x in named.items() if x is not None})
    return mask, bias


def band_of(
    causal: bool, window: int | tuple[int | None, int | None] | None, offset: int | None, n: int, m: int
) -> Band:
    """The band lo <= j - i <= hi that causality and window leave, around the key that stands beside each query."""
    causal = flag(causal=causal)
    sides = window if isinstance(window, tuple) else (window, window)
    if len(sides) != 2:
        raise ValueError(f"window must be a non-negative integer or a pair (left, right), got {window!r}")
    left, right = (None if side is None else whole(window=side) for side in sides)
    if any(side is not None and side < 0 for side in (left, right)):
        raise ValueError(f"window must be a non-negative integer or a pair (left, right) of them, got {window!r}")
    if causal:
        right = 0
    if offset is not None and left is None and right is None:
        raise ValueError(f"offset aligns a window or causality, and there is neither; leave it out, got {offset!r}")
    beside = m - n if offset is None else whole(offset=offset)
    return None if left is None else beside - left, None if right is None else beside + right
