"""What Adam and its kin remember: fading means of the gradient and of its square, entry by entry.

    m_t = beta1 m_(t-1) + (1 - beta1) g_t
    v_t = beta2 v_(t-1) + (1 - beta2) g_t^2

Both begin at zero, so that they are too small by the factors 1 - beta1^t and 1 - beta2^t.
"""

from typing import Any

from factorattn.model.optimizer.trained import check_parameters, like_parameters, map_trained, zeros
from factorattn.model.schedule.steps import decay_rate
from factorattn.scalars import whole

__all__ = ["adam_init", "moments"]


def adam_init(parameters: Any) -> dict[str, Any]:
    """State before the first step of `adam`, `adamw` or `radam`: no steps, no moments.

    Parameters
    ----------
    parameters : tree of arrays
        Nested dicts, lists and factored matrices.

    Returns
    -------
    dict
        "step", an int, and "first" and "second", trees as `parameters`.

    Raises
    ------
    TypeError
        If an array is complex, or shorter than float32; it is named.
    """
    check_parameters(parameters)
    return {"step": 0, "first": zeros(parameters), "second": zeros(parameters)}


def moments(parameters: Any, gradients: Any, state: dict[str, Any], *, beta1: float, beta2: float) -> dict[str, Any]:
    """The state after one more gradient."""
    gradients = like_parameters(parameters, gradients)
    beta1, beta2 = decay_rate(beta1=beta1), decay_rate(beta2=beta2)
    first = map_trained(lambda p, g, m: beta1 * m + (1 - beta1) * g, parameters, gradients, state["first"])
    second = map_trained(lambda p, g, v: beta2 * v + (1 - beta2) * g * g, parameters, gradients, state["second"])
    return {"step": whole(step=state["step"]) + 1, "first": first, "second": second}
