"""The loop of the recurrent network over time, once the inputs have met their weights: h_t = f(a_t + h_(t-1) U)."""

from typing import Any

from array_api_compat import array_namespace

from factorattn.factor.factored import times
from factorattn.model.recurrent.engine import loop
from factorattn.primitives.dispatch import primitive
from factorattn.score.engine import activation_of

__all__ = ["recurrent_scan"]


@primitive(gradient="recurrent_scan_gradient")
def recurrent_scan(a: Any, h: Any, u: Any, mask: Any | None = None, *, activation: str = "tanh") -> tuple[Any, Any]:
    """All times, one after another.

    Parameters
    ----------
    a : array, shape (rows, n, hidden)
        What f is given by the inputs and biases.
    h : array, shape (rows, hidden)
        The state to begin with.
    u : array or Factored, shape (hidden, hidden)
    mask : boolean array, shape (rows, n), optional
        False where the state stays as it was.
    activation : {"tanh", "relu", "sigmoid", "identity"}

    Returns
    -------
    h : array, shape (rows, n, hidden)
    last_h : array, shape (rows, hidden)
    """
    xp = array_namespace(a)
    f = activation_of(activation, xp=xp)
    return loop(lambda a, h: (f(a + times(h, u)),), (a,), (h,), mask, xp=xp)
