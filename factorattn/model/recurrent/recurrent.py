"""The recurrent network with recurrence between hidden units (Rumelhart et al. 1986; Elman 1990).

    h_t = f(W x_t + U h_(t-1) + b),    f = tanh

What it puts out is `transducer` (at every time) or `reader` (at the end) of it.
"""

from collections.abc import Mapping
from typing import Any

from factorattn.contract import choose
from factorattn.model.layers import linear
from factorattn.model.recurrent.engine import open_door, run
from factorattn.model.recurrent.recurrent_scan import recurrent_scan
from factorattn.score.engine import ACTIVATIONS, activation_of

__all__ = ["recurrent", "recurrent_step"]

LAYERS = "input_weight: hidden c, input_bias?: hidden, recurrent_weight: hidden hidden, recurrent_bias?: hidden"
STATE = "state?: ... hidden"


def recurrent(
    parameters: Mapping[str, Any],
    x: Any,
    state: Any | None = None,
    *,
    mask: Any | None = None,
    activation: str = "tanh",
) -> tuple[Any, Any]:
    """A recurrent network over a sequence.

    Parameters
    ----------
    parameters : mapping
        ``"input"``: weight W (hidden, c) and bias (hidden,), ``"recurrent"``: weight U (hidden, hidden) and, where
        there is one, a bias. A weight may be factored.
    x : array, shape (..., n, c)
        Sequences.
    state : array, shape (..., hidden), optional
        What an earlier call returned, to go on from there; zeros by default.
    mask : boolean array, shape (..., n), optional
        False where a sequence is padded: the state stays as it was.
    activation : {"tanh", "relu", "sigmoid", "identity"}
        The function f.

    Returns
    -------
    h : array, shape (..., n, hidden), result dtype of x and the parameters
        Where `mask` is False, that of the time before.
    state : array, shape (..., hidden)
        After the last time, in the precision of the computation (float32 at least).

    Raises
    ------
    ValueError
        If shapes disagree, or `activation` is unknown.
    TypeError
        If x or a parameter is no floating array, or `mask` is not boolean.
    KeyError
        If a layer is not there; it is named.

    Notes
    -----
    Goodfellow et al. name the matrices the other way round: U x + W h.

    References
    ----------
    Rumelhart, Hinton and Williams, "Learning representations by back-propagating errors", Nature 323, 1986.
    Elman, "Finding Structure in Time", Cognitive Science 14(2), 1990.
    Goodfellow, Bengio and Courville, "Deep Learning", MIT Press, 2016, equations 10.8 and 10.9.
    """
    contract = f"x: ... n c, {LAYERS}, {STATE}"
    xp, dtype, _, layers, (x, state) = open_door(contract, parameters, {"x": x, "state": state}, mask)
    choose(ACTIVATIONS, activation=activation)
    u, bias = layers["recurrent"]["weight"].mT, layers["recurrent"]["bias"]
    a = linear(x, layers["input"], xp=xp)  # (..., n, hidden), all times at once
    a = a if bias is None else a + bias

    def scan(a, h, mask):
        return recurrent_scan(a, h, u, mask, activation=activation)

    h, (state,) = run(scan, (a,), (state,), mask, dtype=dtype, xp=xp)
    return h, state


def recurrent_step(parameters: Mapping[str, Any], x: Any, state: Any | None = None, *, activation: str = "tanh") -> Any:
    """One time of `recurrent`.

    Parameters
    ----------
    parameters : mapping
        As in `recurrent`.
    x : array, shape (..., c)
        What is read at this time.
    state : array, shape (..., hidden), optional
        After the time before; zeros by default.
    activation : {"tanh", "relu", "sigmoid", "identity"}
        The function f.

    Returns
    -------
    state : array, shape (..., hidden)
        After this time, in the precision of the computation (float32 at least).

    Raises
    ------
    ValueError
        If shapes disagree, or `activation` is unknown.
    TypeError
        If x or a parameter is no floating array.
    KeyError
        If a layer is not there; it is named.
    """
    contract = f"x: ... c, {LAYERS}, {STATE}"
    xp, _, _, layers, (x, h) = open_door(contract, parameters, {"x": x, "state": state})
    f = activation_of(activation, xp=xp)
    return f(linear(x, layers["input"], xp=xp) + linear(h, layers["recurrent"], xp=xp))
