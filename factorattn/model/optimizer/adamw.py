"""AdamW (Loshchilov and Hutter 2019): Adam whose weights decay by a share of their own, whatever their gradients.

    p_t = p_(t-1) - eta (rate m' / (sqrt(v') + epsilon) + lambda p_(t-1))

with the moments m' and v' of Adam, and a multiplier eta from a schedule.
"""

from typing import Any

from factorattn.model.optimizer.adam import adam_step
from factorattn.model.optimizer.moments import moments
from factorattn.model.optimizer.trained import map_trained, not_negative

__all__ = ["adamw"]


def adamw(
    parameters: Any,
    gradients: Any,
    state: dict[str, Any],
    *,
    rate: float,
    weight_decay: float,
    multiplier: float = 1.0,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
) -> tuple[Any, dict[str, Any]]:
    """Take a step of AdamW.

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
    weight_decay : float
        Share lambda of every number that is taken off in a step. The rate is no factor of it: see the notes.
    multiplier : float
        What a schedule says, eta: a factor of the step and of the decay.
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
        If structures or shapes differ, `beta1` or `beta2` is not in [0, 1), or another option is negative.
    TypeError
        If an array is complex, or shorter than float32.

    Notes
    -----
    This is the paper's algorithm, in which rate and decay are independent. ``torch.optim.AdamW(lr=rate,
    weight_decay=w)`` multiplies the decay by the rate, too; it is ``adamw(rate=rate, weight_decay=rate * w)``. So its
    default of 0.01 at a rate of 0.001 is 0.00001 here.

    References
    ----------
    Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019, algorithm 2. arXiv:1711.05101
    """
    eta, decay = not_negative(multiplier=multiplier), not_negative(weight_decay=weight_decay)
    state = moments(parameters, gradients, state, beta1=beta1, beta2=beta2)
    stepped = adam_step(
        parameters, state, rate=eta * not_negative(rate=rate), beta1=beta1, beta2=beta2, epsilon=epsilon
    )
    return map_trained(lambda p, q: q - eta * decay * p, parameters, stepped), state
