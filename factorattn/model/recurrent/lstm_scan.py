"""The loop of the LSTM over time, once the inputs have met their weights.

i, f, g, o = the four gates of a_t + h_(t-1) U,   c_t = f * c_(t-1) + i * g,   h_t = o * tanh(c_t)
"""

from typing import Any

from array_api_compat import array_namespace

from factorattn.factor.factored import times
from factorattn.model.recurrent.engine import loop
from factorattn.primitives.dispatch import primitive

__all__ = ["gates_of", "lstm_cell", "lstm_scan"]


@primitive(gradient="lstm_scan_gradient")
def lstm_scan(a: Any, h: Any, cell: Any, u: Any, mask: Any | None = None) -> tuple[Any, Any, Any]:
    """All times, one after another.

    Parameters
    ----------
    a : array, shape (rows, n, 4 hidden)
        What the gates i, f, g and o are given by the inputs and biases.
    h, cell : arrays, shape (rows, hidden)
        The state to begin with.
    u : array or Factored, shape (hidden, 4 hidden)
    mask : boolean array, shape (rows, n), optional
        False where the state stays as it was.

    Returns
    -------
    h : array, shape (rows, n, hidden)
    last_h, last_cell : arrays, shape (rows, hidden)
    """
    xp = array_namespace(a)
    scale, shift = gates_of(a, xp=xp)

    def step(a, h, cell):
        return lstm_cell(a + times(h, u), cell, scale, shift, xp=xp)[:2]

    return loop(step, (a,), (h, cell), mask, xp=xp)


def lstm_cell(a: Any, cell: Any, scale: Any, shift: Any, *, xp: Any) -> tuple[Any, Any, Any, Any]:
    """From what the gates are given (..., 4 hidden), and the cell: the next h and cell, the gates, tanh of the cell."""
    y = scale * xp.tanh(scale * a) + shift
    hidden = cell.shape[-1]
    i, f, g, o = (y[..., k * hidden : (k + 1) * hidden] for k in range(4))
    cell = f * cell + i * g
    bent = xp.tanh(cell)
    return o * bent, cell, y, bent


def gates_of(a: Any, *, xp: Any) -> tuple[Any, Any]:
    """What makes of one tanh the sigmoids of i, f and o, too: s tanh(s a) + t, s = 1/2 and t = 1/2, or 1 and 0."""
    ones = xp.ones((a.shape[-1] // 4,), dtype=a.dtype, device=a.device)
    half, none = ones / 2, ones - 1
    return xp.concat([half, half, ones, half]), xp.concat([half, half, none, half])
