"""Sizes that shapes take, checked at the door."""

from typing import Any

from factorattn.scalars import whole

__all__ = ["at_least"]


def at_least(name: str, value: Any, least: int) -> int:
    """An integer that is not below `least`; the message calls it `name`."""
    number = whole(**{name: value})
    if number < least:
        raise ValueError(f"{name} must be at least {least}, got {value!r}")
    return number
