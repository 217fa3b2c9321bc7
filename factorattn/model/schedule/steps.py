"""Steps of training: 1, 2, 3, ...; one of them, or an array of any library."""

from collections.abc import Callable
from typing import Any

import array_api_compat
import numpy as np

from factorattn.scalars import real, whole

__all__ = ["at_steps", "decay_rate"]


def at_steps(step: Any, curve: Callable) -> Any:
    """``curve(t, xp=xp)`` at a step, as a float, or at an array of steps, as an array of its shape.

    Parameters
    ----------
    step : int or array of integers or real floating numbers
        From 1 on. A number below is refused; the values of an array are not looked at.
    curve : callable
        Of an array t of real floating numbers, elementwise.

    Returns
    -------
    float or array
        Integers give float64, floating numbers keep their dtype.

    Raises
    ------
    ValueError
        If `step` is a number below 1.
    TypeError
        If `step` is neither an integer nor an array of real numbers.
    """
    if not array_api_compat.is_array_api_obj(step) or isinstance(step, np.generic):
        step = whole(step=step)
        if step < 1:
            raise ValueError(f"step must be 1 or more, got {step}")
        t = np.asarray(float(step))
        return float(curve(t, xp=array_api_compat.array_namespace(t)))
    xp = array_api_compat.array_namespace(step)
    if xp.isdtype(step.dtype, "integral"):
        step = xp.astype(step, xp.float64)
    if not xp.isdtype(step.dtype, "real floating"):
        raise TypeError(f"step must be integers or real floating numbers, got {step.dtype}")
    return curve(step, xp=xp)


def decay_rate(**argument: Any) -> float:
    """A rate at which a moving average forgets: a real number in [0, 1)."""
    ((name, value),) = argument.items()
    if not 0 <= real(**argument) < 1:
        raise ValueError(f"{name} must be in [0, 1), got {value!r}")
    return float(value)
