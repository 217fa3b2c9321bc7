"""Grouped-query heads (Ainslie et al. 2023) as a broadcast: h query heads share g key heads.

    query head i uses key head i // (h / g)
    q (..., h, n, d) -> (..., g, h/g, n, d),   k (..., g, m, d) -> (..., g, 1, m, d)

Nothing is repeated in memory.
"""

from typing import Any

from factorattn.contract import check

__all__ = ["check_grouped", "join_heads", "split_heads"]

INPUTS = "q: ... h n d, k: ... g m d, v: ... g m e"


def check_grouped(q: Any, k: Any, v: Any) -> tuple[Any, dict[str, int]]:
    """The contract of `softmax_attention` where axis -3 is heads."""
    xp, size = check(INPUTS, q=q, k=k, v=v)
    if size["g"] == 0 or size["h"] % size["g"]:
        raise ValueError(f"the {size['g']} heads of k and v must divide the {size['h']} heads of q (axis -3)")
    return xp, size


def split_heads(q: Any, k: Any, v: Any, mask: Any | None, bias: Any | None, *, xp: Any) -> tuple[Any, ...]:
    """Give q the axes (..., g, h/g, n, d), k and v (..., g, 1, m, d): a key head broadcasts over its group."""
    h, g = q.shape[-3], k.shape[-3]
    q = xp.reshape(q, (*q.shape[:-3], g, h // g, *q.shape[-2:]))  # (..., g, h/g, n, d)
    k, v = k[..., None, :, :], v[..., None, :, :]  # (..., g, 1, m, d)

    def split(name, table):
        if len(getattr(table, "shape", ())) < 3:
            return table
        if table.shape[-3] not in (1, h):
            raise ValueError(f"{name} must have 1 or {h} heads in its axis -3, got shape {tuple(table.shape)}")
        heads = (g, table.shape[-3] // g) if table.shape[-3] > 1 else (1, 1)
        return xp.reshape(table, (*table.shape[:-3], *heads, *table.shape[-2:]))

    return q, k, v, split("mask", mask), split("bias", bias)


def join_heads(x: Any, trailing: int, *, xp: Any) -> Any:
    """Undo the split in an array (..., g, h/g, *trailing axes): (..., h, *trailing axes)."""
    first = x.ndim - trailing - 2
    return xp.reshape(x, (*x.shape[:first], x.shape[first] * x.shape[first + 1], *x.shape[first + 2 :]))
