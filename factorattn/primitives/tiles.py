"""The one loop of the library: a state and a row of outputs, tile after tile along an axis.

    state_0 = state;   state_t+1, out_t = step(state_t, tile_t);   result = state_T, (out_0 | out_1 | ... )

A namespace that only counts may offer `repeated(times)` and `stretched(array, axis, times)`: it then reads one of many
equal tiles and multiplies, so that the cost of a million tiles is known at once.
"""

from collections.abc import Callable
from typing import Any

__all__ = ["scan_tiles"]


def scan_tiles(
    step: Callable, state: Any, start: int, stop: int, size: int, *, xp: Any, axis: int = -2, alike: bool = True
) -> tuple[Any, Any]:
    """Run ``state, out = step(state, tile)`` over the slices that tile ``range(start, stop)``.

    Parameters
    ----------
    step : callable
        Takes the state and a slice; returns the next state and an array, a tuple of arrays, or None.
    state : any
    start, stop, size : int
        The tiles are ``slice(start, start + size)``, and so on; the last one may be shorter.
    axis : int
        The axis along which the outputs are joined.
    alike : bool
        Whether tiles of the same length do the same work, wherever they lie.

    Returns
    -------
    state : any
        The last state.
    out : array, tuple of arrays or None
        The outputs, joined; None if there was no tile or no output.
    """
    outs, tiles = [], -(-(stop - start) // size)
    times = (stop - start) // size
    if alike and times > 1 and hasattr(xp, "repeated"):
        with xp.repeated(0):  # for the shape of the outputs: all of them are held while a step is read
            out = step(state, slice(start, start + size))[1]
        outs.append(_each(lambda part: xp.stretched(part, axis, times), out))
        del out
        with xp.repeated(times):
            state = step(state, slice(start, start + size))[0]
        start += times * size
    for first in range(start, stop, size):
        state, out = step(state, slice(first, min(first + size, stop)))
        outs.append(out)
    if not outs or outs[0] is None:
        return state, None
    if isinstance(outs[0], tuple):
        return state, tuple(_join(parts, tiles, axis, xp) for parts in zip(*outs, strict=True))
    return state, _join(outs, tiles, axis, xp)


def _each(f: Callable, out: Any) -> Any:
    return None if out is None else tuple(map(f, out)) if isinstance(out, tuple) else f(out)


def _join(parts: Any, tiles: int, axis: int, xp: Any) -> Any:
    return parts[0] if tiles == 1 else xp.concat(list(parts), axis=axis)
