"""Derivatives of ``xp.linalg``."""

from collections.abc import Callable
from typing import Any

__all__ = ["LINALG"]

LINALG: dict[str, Callable[..., Any]] = {}
