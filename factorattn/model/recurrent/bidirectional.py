"""Bidirectional networks (Schuster and Paliwal 1997): one network forward in time, another one backward.

    h_i = [forward(x_1 ... x_i); backward(x_n ... x_i)]

Every h_i knows the whole sequence, and most of what is near i.
"""

from collections.abc import Callable, Mapping
from typing import Any

import array_api_compat

from factorattn.model.recurrent.recurrent import recurrent

__all__ = ["bidirectional"]


def bidirectional(
    parameters: Mapping[str, Any],
    x: Any,
    state: Mapping[str, Any] | None = None,
    *,
    mask: Any | None = None,
    network: Callable = recurrent,
) -> tuple[Any, dict[str, Any]]:
    """Two networks over a sequence, from its two ends.

    Parameters
    ----------
    parameters : mapping
        ``"forward"`` and ``"backward"``: those of `network`.
    x : array, shape (..., n, c)
        Sequences.
    state : mapping, optional
        States that ``"forward"`` begins with, before the first time, and ``"backward"``, after the last.
    mask : boolean array, shape (..., n), optional
        False where a sequence is padded. The network that goes backward begins at the last True.
    network : callable
        ``network(parameters, x, state, mask=mask)``: `recurrent`, `lstm`, `gru`, or `stacked`, options bound.

    Returns
    -------
    h : array, shape (..., n, 2 hidden)
        Forward first.
    state : dict
        Of ``"forward"`` after the last time, and of ``"backward"`` after the first.

    Raises
    ------
    KeyError
        If a direction is not there; it is named.
    ValueError, TypeError
        Those of `network`.

    References
    ----------
    Schuster and Paliwal, "Bidirectional Recurrent Neural Networks", IEEE Transactions on Signal Processing 45(11),
    1997.
    """
    xp = array_api_compat.array_namespace(x)
    begin = {"forward": None, "backward": None} if state is None else state
    ahead, last = network(parameters["forward"], x, begin["forward"], mask=mask)
    turned = None if mask is None else xp.flip(mask, axis=-1)  # padding first: the state waits for the sequence
    back, first = network(parameters["backward"], xp.flip(x, axis=-2), begin["backward"], mask=turned)
    return xp.concat([ahead, xp.flip(back, axis=-2)], axis=-1), {"forward": last, "backward": first}
