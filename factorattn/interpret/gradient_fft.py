"""Derivatives of ``xp.fft``."""

from collections.abc import Callable
from typing import Any

__all__ = ["FFT"]

FFT: dict[str, Callable[..., Any]] = {}
