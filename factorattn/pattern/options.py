"""Sizes that shapes take, checked at the door."""

from typing import Any

from factorattn.scalars import whole

__all__ = ["at_least", "two"]


def at_least(name: str, value: Any, least: int) -> int:
    """An integer that is not below `least`; the message calls it `name`."""
    number = whole(**{name: value})
    if number < least:
        raise ValueError(f"{name} must be at least {least}, got {value!r}")
    return number


def two(name: str, pair: Any, least: int) -> tuple[int, int]:
    """Two such integers: of rows and of columns."""
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise ValueError(f"{name} must be a pair (rows, columns), got {pair!r}")
    rows, columns = (at_least(name, side, least) for side in pair)
    return rows, columns
