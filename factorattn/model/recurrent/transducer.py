"""One output for every input: what a recurrent network with recurrence between hidden units puts out.

    h = network(x),    o_t = V h_t + c

A softmax of o_t gives probabilities, of the next word, say.
"""

from collections.abc import Callable, Mapping
from typing import Any

import array_api_compat

from factorattn.model.layers import linear
from factorattn.model.recurrent.recurrent import recurrent

__all__ = ["transducer"]


def transducer(
    parameters: Mapping[str, Any],
    x: Any,
    state: Any | None = None,
    *,
    mask: Any | None = None,
    network: Callable = recurrent,
) -> tuple[Any, Any]:
    """Outputs of a network at every time.

    Parameters
    ----------
    parameters : mapping
        ``"network"``: those of `network`; ``"output"``: weight V (out, hidden), which may be factored, and bias (out,).
    x : array, shape (..., n, c)
        Sequences.
    state : state of the network, optional
        What an earlier call returned, to go on from there.
    mask : boolean array, shape (..., n), optional
        False where a sequence is padded.
    network : callable
        ``network(parameters, x, state, mask=mask)``, options bound.

    Returns
    -------
    o : array, shape (..., n, out)
        Rows where `mask` is False mean nothing.
    state : state of the network

    Raises
    ------
    ValueError, TypeError, KeyError
        Those of `network`.

    References
    ----------
    Goodfellow, Bengio and Courville, "Deep Learning", MIT Press, 2016, equations 10.8 to 10.11 and figure 10.3.
    """
    h, state = network(parameters["network"], x, state, mask=mask)
    return linear(h, parameters["output"], xp=array_api_compat.array_namespace(h)), state
