"""Gradient descent with momentum (Polyak 1964), and with Nesterov's (1983): steps along a fading sum of gradients.

    b_t = mu b_(t-1) + g_t + lambda p_(t-1)
    p_t = p_(t-1) - rate b_t

Nesterov's looks a step ahead: p_t = p_(t-1) - rate (g_t + lambda p_(t-1) + mu b_t).
"""

from typing import Any

from factorattn.model.optimizer.trained import check_parameters, like_parameters, map_trained, not_negative, zeros
from factorattn.model.schedule.steps import decay_rate
from factorattn.scalars import flag, whole

__all__ = ["sgd", "sgd_init"]


def sgd_init(parameters: Any) -> dict[str, Any]:
    """State before the first step of `sgd`: no steps, no momentum.

    Parameters
    ----------
    parameters : tree of arrays
        Nested dicts, lists and factored matrices.

    Returns
    -------
    dict
        "step", an int, and "momentum", a tree as `parameters`.

    Raises
    ------
    TypeError
        If an array is complex, or shorter than float32; it is named.
    """
    check_parameters(parameters)
    return {"step": 0, "momentum": zeros(parameters)}


def sgd(
    parameters: Any,
    gradients: Any,
    state: dict[str, Any],
    *,
    rate: float,
    momentum: float = 0.0,
    nesterov: bool = False,
    weight_decay: float = 0.0,
) -> tuple[Any, dict[str, Any]]:
    """Take a step of gradient descent.

    Parameters
    ----------
    parameters : tree of arrays
        What is not an array of real floating numbers stays as it is.
    gradients : tree of arrays
        Of the structure and shapes of `parameters`, as `grad` gives them.
    state : dict
        From `sgd_init` or the step before.
    rate : float
        Length of the step, as a share of the gradient.
    momentum : float, in [0, 1)
        Share mu of the sum that is kept from step to step.
    nesterov : bool
        Nesterov's momentum.
    weight_decay : float
        Factor lambda of the parameters, which is added to the gradient.

    Returns
    -------
    parameters, state
        New ones; the old are not changed.

    Raises
    ------
    ValueError
        If structures or shapes differ, `momentum` is not in [0, 1), `rate` or `weight_decay` is negative, or `nesterov`
        is asked for without momentum.
    TypeError
        If an array is complex, or shorter than float32.

    Notes
    -----
    The rate is outside of the momentum, as in most libraries; in the first papers it is inside, which differs while the
    rate changes. New gradients are not damped.

    References
    ----------
    Polyak, "Some methods of speeding up the convergence of iteration methods", 1964.
    Sutskever et al., "On the importance of initialization and momentum in deep learning", 2013, which rewrites
    Nesterov's method as a momentum.

    Examples
    --------
    >>> import numpy as np
    >>> parameters = {"w": np.asarray([1.0, 2.0])}
    >>> state = sgd_init(parameters)
    >>> parameters, state = sgd(parameters, {"w": np.asarray([0.5, 0.0])}, state, rate=0.1)
    >>> parameters["w"], state["step"]
    (array([0.95, 2.  ]), 1)
    """
    gradients = like_parameters(parameters, gradients)
    rate, decay, mu = not_negative(rate=rate), not_negative(weight_decay=weight_decay), decay_rate(momentum=momentum)
    if flag(nesterov=nesterov) and mu == 0:
        raise ValueError("nesterov needs a momentum above 0")
    gradients = map_trained(lambda p, g: g + decay * p, parameters, gradients)
    b = map_trained(lambda p, g, b: mu * b + g, parameters, gradients, state["momentum"])
    if nesterov:
        parameters = map_trained(lambda p, g, b: p - rate * (g + mu * b), parameters, gradients, b)
    else:
        parameters = map_trained(lambda p, b: p - rate * b, parameters, b)
    return parameters, {"step": whole(step=state["step"]) + 1, "momentum": b}
