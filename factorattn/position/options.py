"""What all ways to tell positions share: lengths, alignment, and tables in the library of a given array."""

from typing import Any

from array_api_compat import array_namespace, is_array_api_obj

from factorattn.contract import check
from factorattn.scalars import real, whole

__all__ = ["beside", "distances", "in_float64", "kind_of", "length", "logit_scale", "places"]


def length(name: str, value: Any) -> int:
    """A number of rows or columns: an integer from 0."""
    if whole(**{name: value}) < 0:
        raise ValueError(f"{name} must be at least 0, got {value!r}")
    return whole(**{name: value})


def kind_of(like: Any) -> tuple[Any, Any, Any, Any]:
    """The namespace and device of tables for an array, their dtype, and the one to compute in: float32 at the least."""
    xp, _ = check("like: ...", like=like)
    return xp, like.device, like.dtype, like.dtype if xp.finfo(like.dtype).bits >= 32 else xp.float32


def places(n: int, offset: int, *, device: Any, xp: Any) -> Any:
    """The positions offset, offset + 1, ... of n rows, in float64: angles of far positions need all its digits."""
    return xp.astype(xp.arange(offset, offset + n, dtype=xp.int64, device=device), xp.float64)


def in_float64(**argument: Any) -> Any:
    """An array of places, integral or floating, in float64; TypeError for other dtypes. What is no array stays."""
    ((name, value),) = argument.items()
    if not is_array_api_obj(value):
        return value
    xp = array_namespace(value)
    if not xp.isdtype(value.dtype, ("integral", "real floating")):
        raise TypeError(f"{name} must have an integral or real floating dtype, got {value.dtype}")
    return xp.astype(value, xp.float64, copy=False)


def beside(offset: int | None, n: int, m: int) -> int:
    """The key that stands beside query 0: m - n unless said otherwise, as in `softmax_attention`."""
    return m - n if offset is None else whole(offset=offset)


def distances(n: int, m: int, offset: int, *, device: Any, xp: Any) -> Any:
    """How far key j lies ahead of query i, j - i - offset: an int64 array (n, m)."""
    i = xp.arange(offset, offset + n, dtype=xp.int64, device=device)[:, None]  # (n, 1)
    return xp.arange(m, dtype=xp.int64, device=device)[None, :] - i  # (n, m)


def logit_scale(scale: float | None, d: int) -> float:
    """The factor of q . k that a bias of logits has to share: 1 / sqrt(d) unless said otherwise."""
    if scale is not None:
        return real(scale=scale)
    return d**-0.5 if d else 1.0
