"""Truncated back-propagation through time (Williams and Peng 1990): a gradient that reaches back only so far.

    loss = sum_k loss_k,    loss_k of chunk k, of k1 times
    gradient = sum_k d loss_k / d parameters, back through k2 times: the chunk, and k2 - k1 before it

The state is carried through the whole sequence; its gradient stops where the k2 times begin. Memory is that of k2
times, whatever the length.
"""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

from factorattn.interpret.gradient import stop_gradient, value_and_grad
from factorattn.interpret.tree import tree_leaves, tree_map
from factorattn.scalars import whole

__all__ = ["truncated"]


def truncated(
    loss: Callable,
    parameters: Any,
    inputs: Any,
    state: Any = None,
    *,
    chunk: int,
    reach: int = 0,
    axis: int = 0,
) -> tuple[Any, Any, Any]:
    """Loss and gradients of a sequence, chunk by chunk.

    Parameters
    ----------
    loss : callable
        ``loss(parameters, inputs, state)`` returns ``(value, state)``: a real number, the sum over the times of its
        inputs, and the state after them. On a whole sequence it must be the same as on its parts, one after another.
    parameters : tree of arrays
    inputs : tree of arrays
        All that is known of each time: inputs, targets, masks; with the same length n along `axis`.
    state : tree of arrays, optional
        What the first chunk begins with, as an earlier call returned it.
    chunk : int
        Times k1 of a chunk, whose losses one sweep takes back.
    reach : int
        Times k2 - k1 before a chunk that its sweep goes back to as well. They are computed once more for each chunk:
        k2 / k1 times the work.
    axis : int
        The axis of time in each array of `inputs`, counted from 0.

    Returns
    -------
    value : array, shape ()
        Of the whole sequence: it does not depend on `chunk` or `reach`.
    gradient : tree of arrays
        Like `parameters`. Exact if `chunk` or `reach` is at least n; else without what loss_k owes to earlier times.
    state : tree of arrays
        After the last time.

    Raises
    ------
    ValueError
        If `chunk` is not positive, `reach` is negative, or arrays of `inputs` differ in length.

    Notes
    -----
    To change parameters after every chunk, call this with one chunk after another, and with the state that the call
    before returned.

    References
    ----------
    Williams and Peng, "An Efficient Gradient-Based Algorithm for On-Line Training of Recurrent Network Trajectories",
    Neural Computation 2(4), 1990.
    """
    if whole(chunk=chunk) < 1 or whole(reach=reach) < 0:
        raise ValueError(f"chunk must be positive and reach not negative, got chunk={chunk}, reach={reach}")
    n = _length(inputs, whole(axis=axis))
    starts = list(range(0, n, chunk)) or [0]
    begins = [max(0, start - reach) for start in starts]  # where sweeps go back to
    value, gradient = None, None
    for start, begin, beyond in zip(starts, begins, [*begins[1:], n], strict=True):
        end = min(start + chunk, n)
        cuts = sorted({begin, start, beyond, end})
        pieces = [_times(inputs, first, last, axis) for first, last in pairwise(cuts)]
        back = partial(_chunk, loss, cuts=cuts, start=start, beyond=beyond)
        (part, state), more = value_and_grad(back, has_aux=True)(parameters, pieces or [inputs], state)
        state = stop_gradient(state)
        value = part if value is None else value + part
        gradient = more if gradient is None else tree_map(lambda x, y: x + y, gradient, more)
    return value, gradient, state


def _chunk(loss, parameters, pieces, state, *, cuts, start, beyond):
    """The loss from `start` on, and the state that the next sweep begins with, at `beyond`."""
    total, states = None, {}
    for first, piece in zip(cuts, pieces, strict=False):
        states[first] = state
        part, state = loss(parameters, piece, state)
        total = total if first < start else part if total is None else total + part
    states[cuts[-1]] = state
    return total, states[beyond]


def _times(inputs, first, last, axis):
    return tree_map(lambda x: x[(slice(None),) * axis + (slice(first, last), ...)], inputs)


def _length(inputs, axis):
    if axis < 0:
        raise ValueError(f"axis is counted from 0, got {axis}: -1 is another axis of numbers than of vectors")
    shapes = [tuple(x.shape) for x in tree_leaves(inputs)]
    lengths = {shape[axis] if axis < len(shape) else None for shape in shapes}
    if len(lengths) != 1 or None in lengths:
        raise ValueError(f"inputs must have the same length along axis {axis}, got shapes {shapes}")
    return lengths.pop()
