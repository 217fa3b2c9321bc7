"""The recurrent network with recurrence from the output alone: all that it knows of the past is what it has said.

    h_t = tanh(W x_t + U p_t + b),   o_t = V h_t + c
    p_t = emit(o_(t-1))              running free
    p_t = y_(t-1)                    with teacher forcing: the true output, so that all times are done at once

It can do less than recurrence between hidden units, as outputs need not keep what is needed later.
"""

from collections.abc import Callable, Mapping
from typing import Any

from factorattn.factor.factored import times
from factorattn.model.layers import linear
from factorattn.model.recurrent.engine import delayed, loop, open_door, run

__all__ = ["output_recurrent"]

LAYERS = (
    "input_weight: hidden c, input_bias?: hidden, feedback_weight: hidden out, feedback_bias?: hidden, "
    "output_weight: out hidden, output_bias?: out"
)


def output_recurrent(
    parameters: Mapping[str, Any],
    x: Any,
    state: Any | None = None,
    *,
    targets: Any | None = None,
    mask: Any | None = None,
    emit: Callable | None = None,
) -> tuple[Any, Any]:
    """A network whose outputs are its state.

    Parameters
    ----------
    parameters : mapping
        ``"input"``: weight W (hidden, c) and bias (hidden,); ``"feedback"``: weight U (hidden, out); ``"output"``:
        weight V (out, hidden) and bias (out,). A weight may be factored, and a bias left out.
    x : array, shape (..., n, c)
        Sequences.
    state : array, shape (..., out), optional
        What comes before the first output, p_1; zeros by default.
    targets : array, shape (..., n, out), optional
        True outputs y, for teacher forcing. Left out, the network runs free.
    mask : boolean array, shape (..., n), optional
        False where a sequence is padded: what goes back stays as it was.
    emit : callable, optional
        What of an output (..., out) goes back when running free, an array (..., out): a softmax, or the unit vector of
        the largest entry. By default the output itself.

    Returns
    -------
    o : array, shape (..., n, out), result dtype of x and the parameters
        Rows where `mask` is False mean nothing.
    state : array, shape (..., out)
        What would go back at the next time, in the precision of the computation (float32 at least).

    Raises
    ------
    ValueError
        If shapes disagree, or both `targets` and `emit` are given.
    TypeError
        If x or a parameter is no floating array, or `mask` is not boolean.
    KeyError
        If a layer is not there; it is named.

    Notes
    -----
    With teacher forcing o_t depends on y_(t-1), and no more on o_(t-1): there is no loop, and no product of Jacobians.

    References
    ----------
    Goodfellow, Bengio and Courville, "Deep Learning", MIT Press, 2016, section 10.2.1, figures 10.4 and 10.6.
    """
    if targets is not None and emit is not None:
        raise ValueError("targets go back instead of outputs: give targets or emit, not both")
    contract = f"x: ... n c, {LAYERS}, state?: ... out, targets?: ... n out"
    xp, dtype, _, layers, (x, before, y) = open_door(
        contract, parameters, {"x": x, "state": state, "targets": targets}, mask
    )
    a = linear(x, layers["input"], xp=xp)  # (..., n, hidden), all times at once
    if targets is not None:
        past, after = delayed(y, before, mask, xp=xp)
        h = xp.tanh(a + linear(past, layers["feedback"], xp=xp))
        return xp.astype(linear(h, layers["output"], xp=xp), dtype, copy=False), after
    u, bias, v, c = (layers[name][part] for name in ("feedback", "output") for part in ("weight", "bias"))
    a = a if bias is None else a + bias

    def step(a, _, back):
        o = times(xp.tanh(a + times(back, u.mT)), v.mT)
        o = o if c is None else o + c
        return o, o if emit is None else emit(o)

    def scan(a, o, back, mask):
        return loop(step, (a,), (o, back), mask, xp=xp)

    o, (_, after) = run(scan, (a,), (before, before), mask, dtype=dtype, xp=xp)
    return o, after
