"""Rectified Adam (Liu et al. 2020): steps are short while few gradients have told how large gradients are.

    rho_t = rho - 2 t beta2^t / (1 - beta2^t),   rho = 2 / (1 - beta2) - 1
    r_t = sqrt((rho_t - 4) (rho_t - 2) rho / ((rho - 4) (rho - 2) rho_t))
    p_t = p_(t-1) - rate r_t m' / sqrt(v')       where rho_t > 4
    p_t = p_(t-1) - rate m'                      before

with the moments m' and v' of Adam. rho_t is the length of a moving average that forgets as v_t does.
"""

from typing import Any

from factorattn.model.optimizer.adam import adam_step
from factorattn.model.optimizer.moments import moments
from factorattn.model.optimizer.trained import map_trained, not_negative
from factorattn.model.schedule.steps import at_steps, decay_rate
from factorattn.scalars import real

__all__ = ["radam", "rectification"]

TRACTABLE = 4.0  # the variance of the rate is finite for longer averages


def radam(
    parameters: Any,
    gradients: Any,
    state: dict[str, Any],
    *,
    rate: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    threshold: float = TRACTABLE,
) -> tuple[Any, dict[str, Any]]:
    """Take a step of rectified Adam.

    Parameters
    ----------
    parameters : tree of arrays
        What is not an array of real floating numbers stays as it is.
    gradients : tree of arrays
        Of the structure and shapes of `parameters`, as `grad` gives them.
    state : dict
        From `adam_init` or the step before.
    rate : float
        Length of a step, nearly.
    beta1, beta2 : float, in [0, 1)
        Shares of the moments that are kept from step to step.
    epsilon : float
        Added to the root of the second moment.
    threshold : float, 4 or more
        Steps are adaptive where rho_t is above it.

    Returns
    -------
    parameters, state
        New ones; the old are not changed.

    Raises
    ------
    ValueError
        If structures or shapes differ, `beta1` or `beta2` is not in [0, 1), `rate` or `epsilon` is negative, or
        `threshold` is below 4.
    TypeError
        If an array is complex, or shorter than float32.

    Notes
    -----
    The threshold is 4 in the paper; the code of its authors and ``torch.optim.RAdam`` have 5, which begins a step
    later. The paper has no epsilon; it is added to sqrt(v_t), before the correction by 1 - beta2^t, as in their code.
    For ``beta2 <= 0.6`` no step is adaptive: rho is 4 or less.

    References
    ----------
    Liu et al., "On the Variance of the Adaptive Learning Rate and Beyond", 2020, algorithm 2. arXiv:1908.03265
    """
    rate, epsilon = not_negative(rate=rate), not_negative(epsilon=epsilon)
    state = moments(parameters, gradients, state, beta1=beta1, beta2=beta2)
    t = state["step"]
    r = rectification(t, beta2=beta2, threshold=threshold)
    if r > 0:
        after = epsilon / (1 - beta2**t) ** 0.5  # of sqrt(v'), what epsilon is of sqrt(v)
        return adam_step(parameters, state, rate=rate * r, beta1=beta1, beta2=beta2, epsilon=after), state
    return map_trained(lambda p, m: p - rate * m / (1 - beta1**t), parameters, state["first"]), state


def rectification(step: Any, *, beta2: float = 0.999, threshold: float = TRACTABLE) -> Any:
    """The factor r_t of the rate at a step, by which `radam` differs from `adam`.

    Parameters
    ----------
    step : int or array
        From 1 on.
    beta2 : float, in [0, 1)
        Share of the second moment that is kept from step to step.
    threshold : float, 4 or more

    Returns
    -------
    r : float or array, shape of `step`
        In (0, 1]; 0 where rho_t is not above the threshold, so that there is no adaptive step to rectify.

    Raises
    ------
    ValueError
        If `step` is a number below 1, `beta2` is not in [0, 1) or `threshold` is below 4.
    TypeError
        If `step` is neither an integer nor an array of real numbers.

    Examples
    --------
    >>> [round(rectification(step, beta2=0.999), 4) for step in (4, 5, 2000, 18000)]
    [0.0, 0.0173, 0.8284, 1.0]
    """
    if real(threshold=threshold) < TRACTABLE:
        raise ValueError(f"threshold must be 4 or more, got {threshold!r}")
    beta2 = decay_rate(beta2=beta2)
    rho = 2 / (1 - beta2) - 1

    def curve(t: Any, *, xp: Any) -> Any:
        if rho <= threshold:
            return xp.zeros_like(t)
        length = rho - 2 * t * beta2**t / (1 - beta2**t)
        adaptive = length > threshold
        length = xp.where(adaptive, length, rho)
        r = xp.sqrt((length - 4) * (length - 2) * rho / ((rho - 4) * (rho - 2) * length))
        return xp.where(adaptive, r, xp.zeros_like(r))

    return at_steps(step, curve)
