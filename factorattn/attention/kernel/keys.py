"""Masks of keys: which keys there are at all, for mechanisms whose queries share sums over keys.

Such sums cannot leave a key out for one query and keep it for another. A mask may hide a key from all queries: padding.
"""

from typing import Any

from factorattn.attention.exact.options import check_pairs

__all__ = ["check_keys", "keys_or_pairs"]


def check_keys(mask: Any, q: Any, k: Any, v: Any, *, xp: Any) -> Any | None:
    """A mask of shape (..., 1, m) as the column (..., m, 1) of the keys that are there; None if all are.

    Raises
    ------
    ValueError
        If the mask differs from query to query.
    """
    shown, seen = keys_or_pairs(mask, q, k, v, xp=xp)
    if seen is not None:
        raise ValueError(
            f"mask must hide a key from all queries or from none, with shape (..., 1, {k.shape[-2]}), "
            f"got {tuple(mask.shape)}: sums over keys are shared by the queries"
        )
    return shown


def keys_or_pairs(mask: Any, q: Any, k: Any, v: Any, *, xp: Any) -> tuple[Any | None, Any | None]:
    """A mask as the column of keys that are there (..., m, 1), or, if it has a row for each query, as (..., n, m).

    The other one is None; both are without a mask.
    """
    axes = getattr(mask, "ndim", 2)
    table, _ = check_pairs(mask, None, q, k, v, xp=xp)
    if table is None:
        return None, None
    if axes < 2:  # one row for all queries, which the check has repeated
        table = xp.reshape(mask, (1, -1))
    batch, rows, (n, m) = table.shape[:-2], table.shape[-2], (q.shape[-2], k.shape[-2])
    if rows == 1:
        return xp.broadcast_to(table, (*batch, 1, m)).mT, None
    return None, xp.broadcast_to(table, (*batch, n, m))
