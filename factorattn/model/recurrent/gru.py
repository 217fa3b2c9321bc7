"""The gated recurrent unit (Cho et al. 2014): a state that is partly kept, and partly made new.

    r_t = sigmoid(W_r x_t + U_r h_(t-1) + b_r)           reset gate
    z_t = sigmoid(W_z x_t + U_z h_(t-1) + b_z)           update gate: how much is kept
    n_t = tanh(W_n x_t + U_n (r_t * h_(t-1)) + b_n)      candidate, reset="before"
    n_t = tanh(W_n x_t + b_n + r_t * (U_n h_(t-1) + b))  candidate, reset="after"
    h_t = z_t * h_(t-1) + (1 - z_t) * n_t

Reset before the product is the paper's; after it, that of cuDNN, and so of PyTorch.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from factorattn.contract import choose
from factorattn.model.layers import linear
from factorattn.model.recurrent.engine import check_gates, open_door, run
from factorattn.model.recurrent.gru_scan import RESET, gru_cell, gru_scan

__all__ = ["gru", "gru_step"]

LAYERS = (
    "input_weight: rows c, input_bias?: rows, recurrent_weight: gates hidden, recurrent_bias?: gates, "
    "candidate_weight: hidden hidden, candidate_bias?: hidden"
)


def gru(
    parameters: Mapping[str, Any],
    x: Any,
    state: Any | None = None,
    *,
    mask: Any | None = None,
    reset: str = "before",
) -> tuple[Any, Any]:
    """Gated recurrent units over a sequence.

    Parameters
    ----------
    parameters : mapping
        ``"input"``: weight W (3 hidden, c) and bias (3 hidden,), rows in the order r, z, n; ``"recurrent"``: weight
        of U_r and U_z (2 hidden, hidden), ``"candidate"``: weight U_n (hidden, hidden), each with a bias or without.
        A weight may be factored. PyTorch's ``weight_hh`` is the last two, one above the other.
    x : array, shape (..., n, c)
        Sequences.
    state : array, shape (..., hidden), optional
        What an earlier call returned, to go on from there; zeros by default.
    mask : boolean array, shape (..., n), optional
        False where a sequence is padded: the state stays as it was.
    reset : {"before", "after"}
        Whether r_t multiplies the state, before its product with U_n, or the product, with the bias of
        ``"candidate"``.

    Returns
    -------
    h : array, shape (..., n, hidden), result dtype of x and the parameters
        Where `mask` is False, that of the time before.
    state : array, shape (..., hidden)
        After the last time, in the precision of the computation (float32 at least).

    Raises
    ------
    ValueError
        If shapes disagree, or `reset` is unknown.
    TypeError
        If x or a parameter is no floating array, or `mask` is not boolean.
    KeyError
        If a layer is not there; it is named.

    Notes
    -----
    Lecture notes print n_(t-1) in the place of n_t in the last equation. Some papers swap z and 1 - z.

    References
    ----------
    Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder for Statistical Machine Translation", 2014,
    equations 5 to 8. arXiv:1406.1078
    """
    choose(RESET, reset=reset)
    contract = f"x: ... n c, {LAYERS}, state?: ... hidden"
    xp, dtype, size, layers, (x, state) = open_door(contract, parameters, {"x": x, "state": state}, mask)
    _check(size)
    hidden, bias = size["hidden"], layers["recurrent"]["bias"]
    a = linear(x, layers["input"], xp=xp)  # (..., n, 3 hidden), all times at once
    gates, new = a[..., : 2 * hidden], a[..., 2 * hidden :]
    gates = gates if bias is None else gates + bias
    u, u_n, b_n = layers["recurrent"]["weight"].mT, layers["candidate"]["weight"].mT, layers["candidate"]["bias"]
    if b_n is not None and reset == "before":  # nothing multiplies it
        new, b_n = new + b_n, None

    def scan(gates, new, h, mask):
        return gru_scan(gates, new, h, u, u_n, b_n, mask, reset=reset)

    h, (state,) = run(scan, (gates, new), (state,), mask, dtype=dtype, xp=xp)
    return h, state


def gru_step(parameters: Mapping[str, Any], x: Any, state: Any | None = None, *, reset: str = "before") -> Any:
    """One time of `gru`.

    Parameters
    ----------
    parameters : mapping
        As in `gru`.
    x : array, shape (..., c)
        What is read at this time.
    state : array, shape (..., hidden), optional
        After the time before; zeros by default.
    reset : {"before", "after"}
        As in `gru`.

    Returns
    -------
    state : array, shape (..., hidden)
        After this time, in the precision of the computation (float32 at least).

    Raises
    ------
    ValueError
        If shapes disagree, or `reset` is unknown.
    TypeError
        If x or a parameter is no floating array.
    KeyError
        If a layer is not there; it is named.
    """
    choose(RESET, reset=reset)
    contract = f"x: ... c, {LAYERS}, state?: ... hidden"
    xp, _, size, layers, (x, h) = open_door(contract, parameters, {"x": x, "state": state})
    _check(size)
    hidden = size["hidden"]
    a = linear(x, layers["input"], xp=xp)
    gates = a[..., : 2 * hidden] + linear(h, layers["recurrent"], xp=xp)
    product = partial(linear, parameters=layers["candidate"], xp=xp)
    return gru_cell(gates, a[..., 2 * hidden :], h, product, reset=reset, xp=xp)[0]


def _check(size):
    if size["rows"] != 3 * size["hidden"]:
        raise ValueError(f"input_weight must have 3 * {size['hidden']} = {3 * size['hidden']} rows, got {size['rows']}")
    check_gates(size, gates=2, layers="recurrent_weight")
