"""Untuned linear warm-up (Ma and Yarats 2021): its length follows from Adam's beta2.

w_t = min(1, (1 - beta2) / 2 t)
"""

from typing import Any

from factorattn.model.schedule.linear import linear
from factorattn.model.schedule.steps import decay_rate

__all__ = ["untuned_linear"]


def untuned_linear(step: Any, *, beta2: float = 0.999) -> Any:
    """Share of the full rate at a step: a linear warm-up over 2 / (1 - beta2) steps.

    Parameters
    ----------
    step : int or array
        From 1 on.
    beta2 : float, in [0, 1)
        Of Adam: the share of the second moment that is kept from step to step.

    Returns
    -------
    w : float or array, shape of `step`
        In (0, 1].

    Raises
    ------
    ValueError
        If `step` is a number below 1 or `beta2` is not in [0, 1).
    TypeError
        If `step` is neither an integer nor an array of real numbers.

    References
    ----------
    Ma and Yarats, "On the Adequacy of Untuned Warmup for Adaptive Optimization", 2021. arXiv:1910.04209

    Examples
    --------
    >>> [round(untuned_linear(step, beta2=0.999), 6) for step in (1, 1000, 2000, 18000)]
    [0.0005, 0.5, 1.0, 1.0]
    """
    return linear(step, warmup=2 / (1 - decay_rate(beta2=beta2)))
