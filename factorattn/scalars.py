"""Options that are single values, checked at the door: what is not one is refused, never read as something else."""

import math
import operator
from numbers import Real
from typing import Any

import numpy as np

__all__ = ["flag", "generator", "positive", "real", "whole"]


def flag(**argument: Any) -> bool:
    """A truth value; TypeError for anything else ("no" is not False)."""
    ((name, value),) = argument.items()
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False, got {value!r}")
    return bool(value)


def real(**argument: Any) -> float:
    """A finite real number."""
    ((name, value),) = argument.items()
    if not isinstance(value, Real) or isinstance(value, bool):
        raise TypeError(f"{name} must be a real number, got {type(value).__name__}")
    if not math.isfinite(value):
        raise ValueError(f"{name} must be finite, got {value!r}")
    return float(value)


def positive(**argument: Any) -> float:
    """A finite real number above zero."""
    ((name, value),) = argument.items()
    if not real(**argument) > 0:
        raise ValueError(f"{name} must be positive, got {value!r}")
    return float(value)


def whole(**argument: Any) -> int:
    """An integer of any kind; TypeError for anything else."""
    ((name, value),) = argument.items()
    if not hasattr(value, "__index__") or isinstance(value, bool) or np.ndim(value) > 0:
        raise TypeError(f"{name} must be an integer, got {value!r}")
    return operator.index(value)


def generator(rng: Any) -> np.random.Generator:
    """The source of randomness that an integer, a NumPy generator or None stands for (SPEC 7)."""
    try:
        return np.random.default_rng(rng)
    except (TypeError, ValueError) as error:
        raise type(error)(f"rng must be a non-negative integer, a numpy Generator or None, got {rng!r}") from None
