"""Several layers: the outputs of one network are the inputs of the next (Graves 2013).

h^l = network(h^(l-1)),    h^0 = x
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from factorattn.model.recurrent.recurrent import recurrent, recurrent_step
from factorattn.model.recurrent.state import hidden_of

__all__ = ["stacked", "stacked_step"]


def stacked(
    parameters: Sequence[Mapping[str, Any]],
    x: Any,
    state: Sequence[Any] | None = None,
    *,
    mask: Any | None = None,
    network: Callable = recurrent,
) -> tuple[Any, list[Any]]:
    """Networks on top of each other over a sequence.

    Parameters
    ----------
    parameters : list of mappings
        Those of `network`, for each layer. The inputs of a layer have the size of the outputs of the one below.
    x : array, shape (..., n, c)
        Sequences.
    state : list, optional
        A state for each layer, or None for those that begin with zeros.
    mask : boolean array, shape (..., n), optional
        False where a sequence is padded.
    network : callable
        ``network(parameters, x, state, mask=mask)``: `recurrent`, `lstm`, `gru`, or `bidirectional`, options bound.

    Returns
    -------
    h : array, shape (..., n, hidden)
        Of the layer on top.
    state : list
        Of each layer.

    Raises
    ------
    ValueError
        If there is no layer, or there are not as many states as layers; and those of `network`.
    TypeError, KeyError
        Those of `network`.

    References
    ----------
    Graves, "Generating Sequences With Recurrent Neural Networks", 2013. arXiv:1308.0850
    """
    after = []
    for layer, begin in zip(parameters, _states(parameters, state), strict=True):
        x, end = network(layer, x, begin, mask=mask)
        after.append(end)
    return x, after


def stacked_step(
    parameters: Sequence[Mapping[str, Any]],
    x: Any,
    state: Sequence[Any] | None = None,
    *,
    step: Callable = recurrent_step,
) -> list[Any]:
    """One time of `stacked`.

    Parameters
    ----------
    parameters : list of mappings
        Those of `step`, for each layer.
    x : array, shape (..., c)
        What the lowest layer reads at this time.
    state : list, optional
        A state for each layer, or None for those that begin with zeros.
    step : callable
        ``step(parameters, x, state)`` to the next state: `recurrent_step`, `lstm_step` or `gru_step`, options bound.

    Returns
    -------
    state : list
        Of each layer, after this time.

    Raises
    ------
    ValueError
        If there is no layer, or there are not as many states as layers; and those of `step`.
    TypeError, KeyError
        Those of `step`.
    """
    after = []
    for layer, begin in zip(parameters, _states(parameters, state), strict=True):
        after.append(step(layer, x, begin))
        x = hidden_of(after[-1])
    return after


def _states(parameters, state):
    if not parameters:
        raise ValueError("parameters must be a list of at least one layer, got an empty one")
    if state is not None and len(state) != len(parameters):
        raise ValueError(f"state must be a list with one of each layer, {len(parameters)}, got {len(state)}")
    return [None] * len(parameters) if state is None else state
