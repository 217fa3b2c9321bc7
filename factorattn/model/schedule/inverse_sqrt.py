"""Inverse square root: a whole rate at first, and one that falls as 1 / sqrt(t) later.

w_t = min(1, sqrt(tau / t))
"""

from typing import Any

from factorattn.model.schedule.steps import at_steps
from factorattn.scalars import positive

__all__ = ["inverse_sqrt"]


def inverse_sqrt(step: Any, *, after: float = 1.0) -> Any:
    """Share of the full rate at a step.

    Parameters
    ----------
    step : int or array
        From 1 on.
    after : float
        Steps tau after which the rate falls.

    Returns
    -------
    w : float or array, shape of `step`
        In (0, 1].

    Raises
    ------
    ValueError
        If `step` is a number below 1 or `after` is not positive.
    TypeError
        If `step` is neither an integer nor an array of real numbers.

    Notes
    -----
    ``linear(t, warmup=tau) * inverse_sqrt(t, after=tau)`` rises for tau steps and falls from there: Noam's curve, but
    for its height.

    References
    ----------
    Raffel et al., "Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer", 2020, section
    3.1.2. arXiv:1910.10683

    Examples
    --------
    >>> [inverse_sqrt(step, after=4) for step in (1, 4, 16, 64)]
    [1.0, 1.0, 0.5, 0.25]
    """
    tau = positive(after=after)
    return at_steps(step, lambda t, *, xp: xp.clip(xp.sqrt(tau / t), max=1.0))
