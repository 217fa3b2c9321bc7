"""Untuned exponential warm-up (Ma and Yarats 2021): its length follows from Adam's beta2.

w_t = 1 - exp(-(1 - beta2) t)
"""

from typing import Any

from factorattn.model.schedule.exponential import exponential
from factorattn.model.schedule.steps import decay_rate

__all__ = ["untuned_exponential"]


def untuned_exponential(step: Any, *, beta2: float = 0.999) -> Any:
    """Share of the full rate at a step: an exponential warm-up with the time constant 1 / (1 - beta2).

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
    >>> [round(untuned_exponential(step, beta2=0.999), 4) for step in (1, 1000, 2000)]
    [0.001, 0.6321, 0.8647]
    """
    return exponential(step, warmup=1 / (1 - decay_rate(beta2=beta2)))
