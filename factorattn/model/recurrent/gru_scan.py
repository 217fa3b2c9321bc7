"""The loop of the GRU over time, once the inputs have met their weights.

r, z = sigmoid(gates_t + h_(t-1) U)
n = tanh(new_t + (r * h_(t-1)) U_n)    or, after the product, tanh(new_t + r * (h_(t-1) U_n + b_n))
h_t = z * h_(t-1) + (1 - z) * n
"""

from collections.abc import Callable
from typing import Any

from array_api_compat import array_namespace

from factorattn.factor.factored import times
from factorattn.model.recurrent.engine import gate, loop
from factorattn.primitives.dispatch import primitive

__all__ = ["RESET", "gru_cell", "gru_scan"]


@primitive(gradient="gru_scan_gradient")
def gru_scan(
    gates: Any,
    new: Any,
    h: Any,
    u: Any,
    u_n: Any,
    b_n: Any | None = None,
    mask: Any | None = None,
    *,
    reset: str = "before",
) -> tuple[Any, Any]:
    """All times, one after another.

    Parameters
    ----------
    gates, new : arrays, shapes (rows, n, 2 hidden) and (rows, n, hidden)
        What the gates r and z, and the candidate, are given by the inputs and biases.
    h : array, shape (rows, hidden)
        The state to begin with.
    u, u_n : arrays or Factored, shapes (hidden, 2 hidden) and (hidden, hidden)
    b_n : array, shape (hidden,), optional
    mask : boolean array, shape (rows, n), optional
        False where the state stays as it was.
    reset : {"before", "after"}

    Returns
    -------
    h : array, shape (rows, n, hidden)
    last_h : array, shape (rows, hidden)
    """
    xp = array_namespace(gates)

    def product(h):
        return times(h, u_n) if b_n is None else times(h, u_n) + b_n

    def step(gates, new, h):
        return gru_cell(gates + times(h, u), new, h, product, reset=reset, xp=xp)[:1]

    return loop(step, (gates, new), (h,), mask, xp=xp)


def gru_cell(gates: Any, new: Any, h: Any, product: Callable, *, reset: str, xp: Any) -> tuple[Any, Any, Any, Any]:
    """From what the gates and the candidate are given, and h: the next h, the gates, the candidate, and the product."""
    y = gate(gates, xp=xp)
    r, z = y[..., : h.shape[-1]], y[..., h.shape[-1] :]
    back, q = RESET[reset](h, r, product)
    n = xp.tanh(new + back)
    return z * h + (1.0 - z) * n, y, n, q


def _before(h, r, product):
    q = product(r * h)
    return q, q


def _after(h, r, product):
    q = product(h)
    return r * q, q


RESET: dict[str, Callable] = {"before": _before, "after": _after}
