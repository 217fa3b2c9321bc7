"""A mechanism in the place where a trained model has softmax attention over q, k and v.

The model brings q, k, v and nothing else: a mechanism with weights of its own, or another kind of input, cannot sit
there, and is told why.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from factorattn.contract import Item, parse

__all__ = ["SIZES", "Misfit", "letters", "seat", "why_not"]

SIZES = {"r": 256, "w": 128, "g": 1, "b": 64, "s": 4, "t": 32, "u": 64}  # where neither is told, nor has a default
SEATED = ("q", "k", "v")
LINE = frozenset("nmde")


class Misfit(ValueError):
    """A mechanism cannot sit there; the text says why."""


def seat(f: Callable, sizes: Mapping[str, int] | None = None, *, seed: int = 0) -> Callable:
    """Bind a mechanism's options so that ``attend(q, k, v, mask=None)`` is left.

    Parameters
    ----------
    f : callable
        A mechanism of the catalogue.
    sizes : mapping of str to int, optional
        Of its knobs, by their letters in its contract (`letters`). What is not given has the default of `f`, or that of
        `SIZES`.
    seed : int
        For mechanisms that draw at random; each call draws the same.

    Returns
    -------
    attend : callable
        As `factorattn.model.bert` takes it. A rank that the mechanism bounds by the number of keys is made as small as
        the text asks, since a text may be shorter than the rank.

    Raises
    ------
    Misfit
        If the mechanism takes something else than queries, keys and values, or needs more than these.
    ValueError
        If a size is of no letter of its own, or not positive.
    """
    why = why_not(f)
    if why:
        raise Misfit(f"{f.__name__} {why}")
    sizes, own = dict(sizes or {}), letters(f)
    for letter, size in sizes.items():
        if letter not in own:
            told = f"its sizes are {', '.join(own)}" if own else "it has no size to choose"
            raise ValueError(f"{f.__name__} has no size {letter!r}: {told}")
        if size < 1:
            raise ValueError(f"{own[letter]} of {f.__name__} must be positive, got {size}")
    parameters = inspect.signature(f).parameters
    options: dict[str, Any] = {} if "rng" not in parameters else {"rng": seed}
    for item in parse(f.record.inputs):  # type: ignore[attr-defined]
        if item.kind == "array":
            continue
        chosen = sizes.get(item.axes[0], _default(item, parameters))
        if chosen is not None:
            options[item.name] = chosen if item.kind == "size" else tuple(range(chosen))
    bounded = [name for name in options if name == "rank" and not _counts_directions(f)]
    ranged = {item.name for item in parse(f.record.inputs) if item.kind == "positions"}  # type: ignore[attr-defined]

    def attend(q: Any, k: Any, v: Any, *, mask: Any | None = None) -> Any:
        n = min(q.shape[-2], k.shape[-2])
        fitted = {name: min(options[name], n) for name in bounded}
        fitted |= {name: options[name][:n] for name in ranged & options.keys()}
        return f(q, k, v, mask=mask, **options | fitted)

    return attend


def why_not(f: Callable) -> str:
    """Why a mechanism cannot take the place of attention over q, k and v; empty if it can."""
    items = [item for item in parse(f.record.inputs) if item.kind == "array"]  # type: ignore[attr-defined]
    names = [item.name for item in items if not item.optional]
    first, more = names[: len(SEATED)], names[len(SEATED) :]
    if not set(SEATED) <= set(names):
        if names[0] == "qk":
            return "takes one array for queries and keys, and the model makes two"
        return f"takes {_listed(names)}, and the model makes q, k and v"
    if tuple(first) != SEATED:
        return f"takes {_listed(names)}, and the model makes q, k and v"
    if more:
        return f"needs {_listed(more)}, which the model has not trained"
    grid = sorted({axis for item in items[: len(SEATED)] for axis in item.axes} - LINE)
    if grid:
        return f"takes a grid {' by '.join(grid)}, and a text is a line"
    return ""


def letters(f: Callable) -> dict[str, str]:
    """The sizes of a mechanism that can be chosen: the names of its options by their letters."""
    return {item.axes[0]: item.name for item in parse(f.record.inputs) if item.kind != "array"}  # type: ignore[attr-defined]


def _default(item: Item, parameters: Mapping[str, inspect.Parameter]) -> int | None:
    """The size where none is given: None leaves it to the mechanism."""
    if item.kind == "positions":
        return None
    own = parameters[item.name].default
    return SIZES.get(item.axes[0]) if own in (None, inspect.Parameter.empty) and item.name == "rank" else None


def _counts_directions(f: Callable) -> bool:
    """Whether r is a number of random directions (r, d), which may be more than there are keys."""
    return any(item.kind == "array" and item.axes == ("r", "d") for item in parse(f.record.inputs))  # type: ignore[attr-defined]


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
