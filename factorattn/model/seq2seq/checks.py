"""What comes in as numbers of tokens and as masks, checked at the door: nothing else is read as one."""

import operator
from typing import Any

from factorattn.model.door import check_ids
from factorattn.scalars import whole

__all__ = ["count", "holds", "mask_of", "tokens"]


def count(**argument: Any) -> int:
    """A positive integer."""
    ((name, value),) = argument.items()
    if whole(**argument) < 1:
        raise ValueError(f"{name} must be a positive integer, got {value!r}")
    return operator.index(value)


def tokens(name: str, ids: Any, below: int | None, *, shape: tuple[int | None, ...] | None = None, xp: Any) -> None:
    """Hold numbers of tokens: integers from 0 to `below` - 1, of a shape in which None is any size.

    Raises
    ------
    TypeError
        If they are not integers.
    ValueError
        If the shape is another, or a number is out of range: libraries count negative ones from the end.
    """
    if not xp.isdtype(ids.dtype, "integral"):
        raise TypeError(f"{name} must have an integer dtype, got {ids.dtype}")
    own = tuple(ids.shape)
    if shape is not None and (
        len(own) != len(shape) or any(want not in (None, size) for want, size in zip(shape, own, strict=True))
    ):
        told = ", ".join("any" if size is None else str(size) for size in shape)
        raise ValueError(f"{name} must have shape ({told}), got {own}")
    if below is not None:
        check_ids(ids, below, name=name, xp=xp)


def mask_of(name: str, mask: Any | None, shape: tuple[int, ...], like: str, *, xp: Any) -> None:
    """Hold a mask: boolean, of the shape of what it masks. None is no mask."""
    if mask is None:
        return
    if not xp.isdtype(mask.dtype, "bool"):
        raise TypeError(f"{name} must have a boolean dtype, True at tokens, got {mask.dtype}")
    if tuple(mask.shape) != tuple(shape):
        raise ValueError(f"{name} must have the shape of {like}, {tuple(shape)}, got {tuple(mask.shape)}")


def holds(condition: Any) -> bool:
    """Whether an array of one truth value holds; False where it has none to tell (counted arrays)."""
    try:
        return bool(condition)
    except TypeError:
        return False
