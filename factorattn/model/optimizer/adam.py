"""Adam (Kingma and Ba 2015): steps of about the same length for every parameter, whatever the size of its gradient.

m_t = beta1 m_(t-1) + (1 - beta1) g_t,       m' = m_t / (1 - beta1^t)
v_t = beta2 v_(t-1) + (1 - beta2) g_t^2,     v' = v_t / (1 - beta2^t)
p_t = p_(t-1) - rate m' / (sqrt(v') + epsilon)
"""

from typing import Any

import array_api_compat

from factorattn.model.optimizer.moments import moments
from factorattn.model.optimizer.trained import map_trained, not_negative

__all__ = ["adam"]


def adam(
    parameters: Any,
    gradients: Any,
    state: dict[str, Any],
    *,
    rate: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
) -> tuple[Any, dict[str, Any]]:
    """Take a step of Adam.

    Parameters
    ----------
    parameters : tree of arrays
        What is not an array of real floating numbers stays as it is.
    gradients : tree of arrays
        Of the structure and shapes of `parameters`, as `grad` gives them.
    state : dict
        From `adam_init` or the step before.
    rate : float
        Length of a step, nearly; 0.001 in the paper.
    beta1, beta2 : float, in [0, 1)
        Shares of the moments that are kept from step to step.
    epsilon : float
        Added to the root of the second moment.

    Returns
    -------
    parameters, state
        New ones; the old are not changed.

    Raises
    ------
    ValueError
        If structures or shapes differ, `beta1` or `beta2` is not in [0, 1), or `rate` or `epsilon` is negative.
    TypeError
        If an array is complex, or shorter than float32.

    Notes
    -----
    With ``epsilon=0`` an entry whose gradients were all zero becomes NaN. The Transformer was trained with
    ``beta2=0.98, epsilon=1e-9``.

    References
    ----------
    Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2015, algorithm 1. arXiv:1412.6980

    Examples
    --------
    >>> import numpy as np
    >>> from factorattn.model.optimizer import adam_init
    >>> parameters = {"w": np.asarray([1.0, 2.0])}
    >>> state = adam_init(parameters)
    >>> parameters, state = adam(parameters, {"w": np.asarray([30.0, -0.01])}, state, rate=0.1)
    >>> parameters["w"].round(6)  # a step of 0.1 each
    array([0.9, 2.1])
    """
    state = moments(parameters, gradients, state, beta1=beta1, beta2=beta2)
    return adam_step(parameters, state, rate=rate, beta1=beta1, beta2=beta2, epsilon=epsilon), state


def adam_step(
    parameters: Any, state: dict[str, Any], *, rate: float, beta1: float, beta2: float, epsilon: float
) -> Any:
    """Parameters after a step by the moments of a state."""
    rate, epsilon, t = not_negative(rate=rate), not_negative(epsilon=epsilon), state["step"]

    def step(p: Any, m: Any, v: Any) -> Any:
        xp = array_api_compat.array_namespace(p, m, v)
        m, v = m / (1 - beta1**t), v / (1 - beta2**t)
        return p - rate * m / (xp.sqrt(v) + epsilon)

    return map_trained(step, parameters, state["first"], state["second"])
