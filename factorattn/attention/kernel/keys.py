"""Masks of keys: which keys there are at all, for mechanisms whose queries share sums over keys.

Such sums cannot leave a key out for one query and keep it for another. A mask may hide a key from all queries: padding.
"""

from typing import Any

from factorattn.attention.exact.options import check_pairs

__all__ = ["check_keys"]


def check_keys(mask: Any | None, q: Any, k: Any, v: Any, *, xp: Any) -> Any | None:
    """A mask of shape (..., 1, m) as the column (..., m, 1) of the keys that are there; None if all are.

    Raises
    ------
    ValueError
        If the mask differs from query to query.
    """
    if mask is None:
        return None
    m, given = k.shape[-2], tuple(getattr(mask, "shape", ()))
    row, _ = check_pairs(mask[..., None, :] if len(given) == 1 else mask, None, q, k, v, xp=xp)
    if len(given) > 1 and row.shape[-2] != 1:
        raise ValueError(
            f"mask must hide a key from all queries or from none, with shape (..., 1, {m}), got {given}: "
            "sums over keys are shared by the queries"
        )
    row = xp.reshape(mask, (1, 1)) if not given else row
    return xp.broadcast_to(row, (*row.shape[:-2], 1, m)).mT  # (..., m, 1)
