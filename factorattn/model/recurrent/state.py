"""States of networks as trees, which say by their kind what they are of.

array     of a cell: h
tuple     of a cell with more than h: (h, cell)
dict      of a network in two directions: {"forward": state, "backward": state}
list      of layers, the last one on top
"""

from typing import Any

import array_api_compat

__all__ = ["hidden_of"]


def hidden_of(state: Any) -> Any:
    """The vectors that sum a sequence up: of the layer on top, both directions side by side.

    Parameters
    ----------
    state : state of a network
        An array, tuple, dict or list, as above: what `recurrent`, `lstm`, `gru`, `bidirectional`, `stacked` and their
        steps return.

    Returns
    -------
    h : array, shape (..., hidden)
        (..., 2 hidden) of two directions, forward first.

    Raises
    ------
    KeyError
        If a direction is not there; it is named.
    """
    if isinstance(state, list):
        return hidden_of(state[-1])
    if isinstance(state, dict):
        both = [hidden_of(state[direction]) for direction in ("forward", "backward")]
        return array_api_compat.array_namespace(*both).concat(both, axis=-1)
    return state[0] if isinstance(state, tuple) else state
