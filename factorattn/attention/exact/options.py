"""What a user may say about pairs of queries and keys: mask, bias, causality and window, checked in one place."""

from typing import Any

import numpy as np

from factorattn.primitives.pairs import Band

__all__ = ["band_of", "check_pairs"]


def check_pairs(mask: Any | None, bias: Any | None, n: int, m: int, *, q: Any, xp: Any) -> tuple[Any, Any]:
    """Hold `mask` and `bias` against (n, m); return them with at least two axes and bias in the dtype of q."""
    for name, table in (("mask", mask), ("bias", bias)):
        if table is None:
            continue
        want = "bool" if name == "mask" else "real floating"
        if not hasattr(table, "dtype") or not hasattr(table, "shape"):
            raise TypeError(f"{name} must be an array like q, got {type(table).__name__}")
        try:
            kind = xp.isdtype(table.dtype, want)
        except TypeError:  # the dtype of another library
            kind = False
        if not kind:
            raise TypeError(
                f"{name} must be a {xp.__name__} array of dtype {want}, got {type(table).__name__} {table.dtype}"
            )
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
    return mask, bias


def band_of(causal: bool, window: int | tuple[int | None, int | None] | None, beside: int) -> Band:
    """The band lo <= j - i <= hi that causality and window leave."""
    sides = window if isinstance(window, tuple) else (window, window)
    wrong = any(
        side is not None and (isinstance(side, bool) or not isinstance(side, int) or side < 0) for side in sides
    )
    if len(sides) != 2 or wrong:
        raise ValueError(
            f"window must be a non-negative integer or a pair (left, right) of them or None, got {window!r}"
        )
    left, right = sides
    if causal:
        right = 0
    return None if left is None else beside - left, None if right is None else beside + right
