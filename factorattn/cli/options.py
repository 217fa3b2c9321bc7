"""The options that a mechanism is called with, read off its contract."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from factorattn.contract import check, parse

__all__ = ["LeftOut", "asks_for", "fixed_options", "knobs", "options_for", "unset"]

INPUTS = ("q", "k", "v")


class LeftOut(Exception):
    """A mechanism does not fit the input; the text says why."""


def asks_for(f: Callable) -> list[str]:
    """What a mechanism cannot do without, beside q, k, v of one axis of positions."""
    items = [item for item in parse(f.record.inputs) if item.kind == "array" and not item.optional]  # type: ignore[attr-defined]
    grid = sorted({letter for item in items if item.name in INPUTS for letter in item.axes} - {*"nmde"})
    return [item.name for item in items if item.name not in INPUTS] + ([f"a grid {' x '.join(grid)}"] if grid else [])


def unset(f: Callable) -> list[str]:
    """The optional arrays that a comparison leaves out for good: those that no knob gives a size to."""
    record = f.record  # type: ignore[attr-defined]
    items = parse(record.inputs)
    return [item.name for item in items if item.kind == "array" and item.optional and record.knob not in item.axes]


def knobs(f: Callable) -> list[str]:
    """The letters of a mechanism that are sizes to choose, not sizes of the input."""
    return [item.axes[0] for item in parse(f.record.inputs) if item.kind != "array"]  # type: ignore[attr-defined]


def fixed_options(f: Callable, *, causal: bool) -> dict[str, Any]:
    """The options that do not depend on sizes. `LeftOut` if `f` cannot be what is asked."""
    record = f.record  # type: ignore[attr-defined]
    can_be = record.causal
    if causal and can_be == "never":
        raise LeftOut(f"is never causal: {record.refuses['causal']}")
    if not causal and can_be == "always":
        raise LeftOut("is always causal; compare it with --causal")
    return {"causal": causal} if can_be in ("option", "values") else {}


def options_for(
    f: Callable, arrays: Mapping[str, Any], sizes: Mapping[str, int], *, causal: bool, seed: int
) -> dict[str, Any]:
    """Options for ``f(q, k, v, **options)``: sizes and positions from `sizes`, a seed where `f` draws at random.

    Optional arrays are left out, so that the mechanism makes its own. `LeftOut` if that does not satisfy the contract.
    """
    options = fixed_options(f, causal=causal)
    contract, parameters = f.record.inputs, inspect.signature(f).parameters  # type: ignore[attr-defined]
    if asks_for(f):
        raise LeftOut(f"needs {', '.join(asks_for(f))}, and the input has q, k, v only")
    for item in parse(contract):
        if item.kind == "array" or (item.kind == "positions" and item.optional):
            continue
        if item.axes[0] in sizes:
            size = sizes[item.axes[0]]
            options[item.name] = size if item.kind == "size" else tuple(range(size))
        elif parameters[item.name].default is inspect.Parameter.empty:
            raise LeftOut(f"needs --set {item.axes[0]}=...")
    left = {item.name: parameters[item.name].default for item in parse(contract)}
    try:
        check(contract, **left | dict(arrays) | {name: value for name, value in options.items() if name in left})
    except ValueError as error:
        raise LeftOut(str(error)) from None
    if "rng" in parameters:
        options["rng"] = seed
    return options
