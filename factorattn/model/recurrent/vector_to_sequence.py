"""One vector to a sequence, as from a picture to its caption: the vector is read at every time, beside the last output.

    h_t = step([p_t; v], h_(t-1)),   o_t = V h_t + c

In each layer v acts as a bias of its own: W [p; v] + b = W_p p + (W_v v + b). What p is: see `teacher_forcing` and
`free_running`.
"""

from collections.abc import Callable, Mapping
from typing import Any

import array_api_compat

from factorattn.contract import check_batches
from factorattn.model.layers import beside
from factorattn.model.recurrent.recurrent import recurrent, recurrent_step
from factorattn.model.recurrent.teacher import free_running, teacher_forcing

__all__ = ["vector_to_sequence"]


def vector_to_sequence(
    parameters: Mapping[str, Any],
    v: Any,
    state: Any | None = None,
    *,
    targets: Any | None = None,
    times: int | None = None,
    start: Any | None = None,
    mask: Any | None = None,
    emit: Callable | None = None,
    network: Callable = recurrent,
    step: Callable = recurrent_step,
) -> tuple[Any, Any]:
    """A sequence from a vector: with teacher forcing if there are `targets`, running free if there are `times`.

    Parameters
    ----------
    parameters : mapping
        ``"network"``: those of `network`, whose inputs are p (c) and v (r) side by side, c + r; ``"output"``: weight V
        (out, hidden), which may be factored, and bias (out,).
    v : array, shape (..., r)
        Vectors.
    state : state of the network, optional
        What an earlier call returned, to go on from there.
    targets : array, shape (..., n, c), optional
        True outputs, as in `teacher_forcing`.
    times : int, optional
        Number n of outputs, as in `free_running`.
    start : array, shape (..., c), optional
        What is read first; with targets, zeros by default.
    mask : boolean array, shape (..., n), optional, only with `targets`
        False where targets are padded.
    emit : callable, optional, only with `times`
        What of an output is read next, as in `free_running`.
    network : callable
        ``network(parameters, x, state, mask=mask)``, options bound, for `targets`.
    step : callable
        ``step(parameters, x, state)``, options bound, for `times`: one time of the same network.

    Returns
    -------
    o : array, shape (..., n, out)
    state : state of the network

    Raises
    ------
    ValueError
        If not exactly one of `targets` and `times` is given, `start` is left out with `times`, `mask` or `emit` is
        given with the wrong one, or shapes disagree; and those of `network`.
    TypeError, KeyError
        Those of `network`.

    References
    ----------
    Goodfellow, Bengio and Courville, "Deep Learning", MIT Press, 2016, section 10.2.4 and figure 10.9.
    """
    if (targets is None) == (times is None):
        raise ValueError("give targets (teacher forcing) or times (running free), and not both")
    if targets is None and mask is not None:
        raise ValueError("mask says where targets are padded, and there are none with times")
    if targets is not None and emit is not None:
        raise ValueError("targets are read instead of outputs: emit has no meaning with them")
    if targets is None and start is None:
        raise ValueError("start must be given with times: nothing else says what is read first")

    xp = array_api_compat.array_namespace(*(x for x in (v, targets, start) if x is not None))
    batches = {"v": v.shape[:-1], "start": () if start is None else start.shape[:-1]}
    check_batches(batches if targets is None else batches | {"targets": targets.shape[:-2]})

    def read(parameters, x, state, *, mask=None):
        return network(parameters, beside(x, v[..., None, :], xp=xp), state, mask=mask)

    def read_one(parameters, x, state):
        return step(parameters, beside(x, v, xp=xp), state)

    if times is None:
        return teacher_forcing(parameters, targets, state, start=start, mask=mask, network=read)
    return free_running(parameters, start, state, times=times, emit=emit, step=read_one)
