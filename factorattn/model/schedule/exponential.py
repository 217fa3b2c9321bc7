"""Exponential warm-up: the rate draws nearer to its full size by the same share at every step.

w_t = 1 - exp(-t / tau)
"""

from typing import Any

from factorattn.model.schedule.steps import at_steps
from factorattn.scalars import positive

__all__ = ["exponential"]


def exponential(step: Any, *, warmup: float) -> Any:
    """Share of the full rate at a step.

    Parameters
    ----------
    step : int or array
        From 1 on.
    warmup : float
        Steps tau after which 1 - 1 / e of the rate is reached.

    Returns
    -------
    w : float or array, shape of `step`
        In (0, 1].

    Raises
    ------
    ValueError
        If `step` is a number below 1 or `warmup` is not positive.
    TypeError
        If `step` is neither an integer nor an array of real numbers.

    References
    ----------
    Ma and Yarats, "On the Adequacy of Untuned Warmup for Adaptive Optimization", 2021. arXiv:1910.04209

    Examples
    --------
    >>> round(exponential(1000, warmup=1000), 4)
    0.6321
    """
    tau = positive(warmup=warmup)
    return at_steps(step, lambda t, *, xp: -xp.expm1(-t / tau))
