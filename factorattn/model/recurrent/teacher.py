"""Networks that read what they said: with teacher forcing they read the truth instead, and learn from it at once.

    h_t = step([p_t; v], h_(t-1)),   o_t = V h_t + c
    p_t = y_(t-1)                    teacher forcing: the inputs are known, so any network may read them
    p_t = emit(o_(t-1))              running free: one step after another

What is trained in the first way and used in the second has never seen its own mistakes.
"""

from collections.abc import Callable, Mapping
from typing import Any

import array_api_compat

from factorattn.contract import check_batches
from factorattn.model.layers import linear
from factorattn.model.recurrent.engine import check_mask, delayed
from factorattn.model.recurrent.recurrent import recurrent, recurrent_step
from factorattn.model.recurrent.state import hidden_of
from factorattn.scalars import whole

__all__ = ["free_running", "teacher_forcing"]


def teacher_forcing(
    parameters: Mapping[str, Any],
    targets: Any,
    state: Any | None = None,
    *,
    start: Any | None = None,
    mask: Any | None = None,
    network: Callable = recurrent,
) -> tuple[Any, Any]:
    """Outputs of a network that is given the true outputs of the times before.

    Parameters
    ----------
    parameters : mapping
        ``"network"``: those of `network`; ``"output"``: weight V (out, hidden), which may be factored, and bias (out,).
    targets : array, shape (..., n, c)
        What a network reads: the true outputs themselves, unit vectors of words, or rows of a table of embeddings.
    state : state of the network, optional
        What an earlier call returned, to go on from there.
    start : array, shape (..., c), optional
        What is read first; zeros by default. To go on, the last row of earlier targets.
    mask : boolean array, shape (..., n), optional
        False where targets are padded.
    network : callable
        ``network(parameters, x, state, mask=mask)``: `recurrent`, `lstm`, `gru`, or `stacked`, options bound.

    Returns
    -------
    o : array, shape (..., n, out)
        Row i is to be compared with row i of the targets, which it has not seen. Rows where `mask` is False mean
        nothing.
    state : state of the network

    Raises
    ------
    ValueError, TypeError, KeyError
        If shapes disagree; and those of `network`.

    References
    ----------
    Williams and Zipser, "A Learning Algorithm for Continually Running Fully Recurrent Neural Networks", Neural
    Computation 1(2), 1989.
    Goodfellow, Bengio and Courville, "Deep Learning", MIT Press, 2016, section 10.2.1.
    """
    given = [x for x in (targets, start, mask) if x is not None]
    xp = array_api_compat.array_namespace(*given)
    if targets.ndim < 2:
        raise ValueError(f"targets must have shape (..., n, c), got {tuple(targets.shape)}")
    if start is None:
        start = xp.zeros(targets.shape[-1:], dtype=targets.dtype, device=array_api_compat.device(targets))
    if start.shape[-1:] != targets.shape[-1:]:
        raise ValueError(f"start must have shape (..., {targets.shape[-1]}), got {tuple(start.shape)}")
    batches = {"targets": targets.shape[:-2], "start": start.shape[:-1]}
    if mask is not None:
        check_mask(mask, targets, xp=xp)
        batches["mask"] = mask.shape[:-1]
    check_batches(batches)
    past, _ = delayed(targets, start, mask, xp=xp)
    h, state = network(parameters["network"], past, state, mask=mask)
    return linear(h, parameters["output"], xp=xp), state


def free_running(
    parameters: Mapping[str, Any],
    start: Any,
    state: Any | None = None,
    *,
    times: int,
    emit: Callable | None = None,
    step: Callable = recurrent_step,
) -> tuple[Any, Any]:
    """Outputs of a network that is given its own outputs of the times before.

    Parameters
    ----------
    parameters : mapping
        As in `teacher_forcing`.
    start : array, shape (..., c)
        What is read first.
    state : state of the network, optional
        What an earlier call returned, to go on from there.
    times : int
        Number n of outputs.
    emit : callable, optional
        What of an output (..., out) is read next, an array (..., c): a softmax, or the embedding of the likeliest word.
        By default the output itself, with out = c.
    step : callable
        ``step(parameters, x, state)`` to the next state: `recurrent_step`, `lstm_step`, `gru_step`, or `stacked_step`,
        options bound.

    Returns
    -------
    o : array, shape (..., n, out)
    state : state of the network

    Raises
    ------
    ValueError
        If `times` is not positive; and those of `step`.
    TypeError, KeyError
        Those of `step`.

    References
    ----------
    Goodfellow, Bengio and Courville, "Deep Learning", MIT Press, 2016, section 10.2.1.
    """
    if whole(times=times) < 1:
        raise ValueError(f"times must be a positive integer, got {times}")
    xp = array_api_compat.array_namespace(start)
    x, outputs = start, []
    for _ in range(times):
        state = step(parameters["network"], x, state)
        outputs.append(linear(hidden_of(state), parameters["output"], xp=xp))
        x = outputs[-1] if emit is None else emit(outputs[-1])
    return xp.stack(outputs, axis=-2), state
