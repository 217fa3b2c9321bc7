"""One output at the end: a network reads a whole sequence before it says anything.

    h = network(x),    o = V h_n + c

A network in two directions has read the sequence when each is at its end: h is [forward h_n; backward h_1].
"""

from collections.abc import Callable, Mapping
from typing import Any

import array_api_compat

from factorattn.model.layers import linear
from factorattn.model.recurrent.recurrent import recurrent
from factorattn.model.recurrent.state import hidden_of

__all__ = ["reader"]


def reader(
    parameters: Mapping[str, Any],
    x: Any,
    state: Any | None = None,
    *,
    mask: Any | None = None,
    network: Callable = recurrent,
) -> Any:
    """The output of a network after a sequence.

    Parameters
    ----------
    parameters : mapping
        ``"network"``: those of `network`; ``"output"``: weight V (out, hidden), which may be factored, and bias (out,).
    x : array, shape (..., n, c)
        Sequences.
    state : state of the network, optional
        What an earlier call returned, to go on from there.
    mask : boolean array, shape (..., n), optional
        False where a sequence is padded: the output is that at the last True.
    network : callable
        ``network(parameters, x, state, mask=mask)``, options bound.

    Returns
    -------
    o : array, shape (..., out)

    Raises
    ------
    ValueError, TypeError, KeyError
        Those of `network`.

    References
    ----------
    Goodfellow, Bengio and Courville, "Deep Learning", MIT Press, 2016, figure 10.5.
    """
    h, state = network(parameters["network"], x, state, mask=mask)
    xp = array_api_compat.array_namespace(h)
    last = xp.astype(hidden_of(state), h.dtype, copy=False)
    return linear(last, parameters["output"], xp=xp)
