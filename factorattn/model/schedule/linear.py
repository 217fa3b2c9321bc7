"""Linear warm-up: the rate grows in equal steps, and then stays.

w_t = min(1, t / tau)
"""

from typing import Any

from factorattn.model.schedule.steps import at_steps
from factorattn.scalars import positive

__all__ = ["linear"]


def linear(step: Any, *, warmup: float) -> Any:
    """Share of the full rate at a step.

    Parameters
    ----------
    step : int or array
        From 1 on.
    warmup : float
        Steps tau after which the rate is whole.

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
    >>> [linear(step, warmup=4) for step in range(1, 7)]
    [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    """
    tau = positive(warmup=warmup)
    return at_steps(step, lambda t, *, xp: xp.clip(t / tau, max=1.0))
