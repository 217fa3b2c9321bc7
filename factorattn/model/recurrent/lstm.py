"""Long short-term memory (Hochreiter and Schmidhuber 1997) with the forget gate of Gers et al. (2000).

    i_t = sigmoid(W_i x_t + U_i h_(t-1) + b_i)     input gate
    f_t = sigmoid(W_f x_t + U_f h_(t-1) + b_f)     forget gate
    g_t = tanh(W_g x_t + U_g h_(t-1) + b_g)        candidate
    o_t = sigmoid(W_o x_t + U_o h_(t-1) + b_o)     output gate
    c_t = f_t * c_(t-1) + i_t * g_t                cell
    h_t = o_t * tanh(c_t)

The cell is carried on by a sum, so its gradient is multiplied by f_t alone, and not by a matrix.
"""

from collections.abc import Mapping
from typing import Any

from factorattn.model.layers import linear
from factorattn.model.recurrent.engine import check_gates, open_door, run
from factorattn.model.recurrent.lstm_scan import gates_of, lstm_cell, lstm_scan

__all__ = ["lstm", "lstm_step"]

LAYERS = "input_weight: gates c, input_bias?: gates, recurrent_weight: gates hidden, recurrent_bias?: gates"
STATE = "h?: ... hidden, cell?: ... hidden"


def lstm(
    parameters: Mapping[str, Any], x: Any, state: tuple[Any, Any] | None = None, *, mask: Any | None = None
) -> tuple[Any, tuple[Any, Any]]:
    """Long short-term memory over a sequence.

    Parameters
    ----------
    parameters : mapping
        ``"input"``: weight W (4 hidden, c) and bias (4 hidden,), ``"recurrent"``: weight U (4 hidden, hidden) and,
        where there is one, a bias. Blocks of rows are i, f, g, o, as in PyTorch. A weight may be factored.
    x : array, shape (..., n, c)
        Sequences.
    state : (h, c), arrays of shape (..., hidden), optional
        What an earlier call returned, to go on from there; zeros by default.
    mask : boolean array, shape (..., n), optional
        False where a sequence is padded: the state stays as it was.

    Returns
    -------
    h : array, shape (..., n, hidden), result dtype of x and the parameters
        Where `mask` is False, that of the time before.
    state : (h, c), arrays of shape (..., hidden)
        After the last time, in the precision of the computation (float32 at least).

    Raises
    ------
    ValueError
        If shapes disagree, or `state` is not two arrays.
    TypeError
        If x or a parameter is no floating array, or `mask` is not boolean.
    KeyError
        If a layer is not there; it is named.

    Notes
    -----
    The paper has no forget gate (f_t = 1); Gers et al. added it. A gate is (1 + tanh(a / 2)) / 2, which is the sigmoid,
    so that one tanh does all four. Lecture notes print W_i in the place of W_g, and h_t in that of h_(t-1).

    References
    ----------
    Hochreiter and Schmidhuber, "Long Short-Term Memory", Neural Computation 9(8), 1997.
    Gers, Schmidhuber and Cummins, "Learning to Forget: Continual Prediction with LSTM", Neural Computation 12(10),
    2000.
    """
    h, cell = _parts(state)
    contract = f"x: ... n c, {LAYERS}, {STATE}"
    xp, dtype, size, layers, (x, h, cell) = open_door(contract, parameters, {"x": x, "h": h, "cell": cell}, mask)
    check_gates(size, gates=4)
    u, bias = layers["recurrent"]["weight"].mT, layers["recurrent"]["bias"]
    a = linear(x, layers["input"], xp=xp)  # (..., n, 4 hidden), all times at once
    a = a if bias is None else a + bias

    def scan(a, h, cell, mask):
        return lstm_scan(a, h, cell, u, mask)

    return run(scan, (a,), (h, cell), mask, dtype=dtype, xp=xp)


def lstm_step(parameters: Mapping[str, Any], x: Any, state: tuple[Any, Any] | None = None) -> tuple[Any, Any]:
    """One time of `lstm`.

    Parameters
    ----------
    parameters : mapping
        As in `lstm`.
    x : array, shape (..., c)
        What is read at this time.
    state : (h, c), arrays of shape (..., hidden), optional
        After the time before; zeros by default.

    Returns
    -------
    state : (h, c), arrays of shape (..., hidden)
        After this time, in the precision of the computation (float32 at least).

    Raises
    ------
    ValueError
        If shapes disagree, or `state` is not two arrays.
    TypeError
        If x or a parameter is no floating array.
    KeyError
        If a layer is not there; it is named.
    """
    h, cell = _parts(state)
    contract = f"x: ... c, {LAYERS}, {STATE}"
    xp, _, size, layers, (x, h, cell) = open_door(contract, parameters, {"x": x, "h": h, "cell": cell})
    check_gates(size, gates=4)
    a = linear(x, layers["input"], xp=xp) + linear(h, layers["recurrent"], xp=xp)
    return lstm_cell(a, cell, *gates_of(a, xp=xp), xp=xp)[:2]


def _parts(state):
    if state is not None and (not isinstance(state, tuple | list) or len(state) != 2):
        raise ValueError(f"state must be two arrays, (h, c), got {type(state).__name__}")
    return (None, None) if state is None else state
