"""One string says what a function takes; it documents, checks, words the error and samples valid inputs.

    "q: ... n d, k: ... m d, v: ... m e, omega?: ... r d, rank? = r"

`q: ... n d`    an array whose last two axes have the sizes n and d; `...` are batch axes (and heads), which broadcast
`omega?: ...`   may be left out (None)
`rank? = r`     a positive integer, equal to r wherever else r is an axis
`picks: g of n` g distinct integers in 0 .. n - 1, as a tuple
"""

import operator
import re
from collections.abc import Iterable, Mapping, Sized
from functools import cache
from typing import Any, NamedTuple

import array_api_compat
import numpy as np

__all__ = ["Item", "check", "check_batches", "choose", "parse", "sample", "working_precision"]

_ITEM = re.compile(r"(?P<name>\w+)(?P<optional>\??)\s*(?P<kind>[:=])\s*(?P<axes>[\w. ]+)")


class Item(NamedTuple):
    """One argument of a contract; kind is "array", "size" (an integer) or "positions" (distinct, along an axis)."""

    name: str
    kind: str
    axes: tuple[str, ...]
    batched: bool
    optional: bool


@cache
def parse(contract: str) -> tuple[Item, ...]:
    """Split a contract into its items."""
    items = []
    for part in contract.split(","):
        found = _ITEM.fullmatch(part.strip())
        if found is None:
            raise ValueError(
                f"contract item must look like 'q: ... n d', 'rank = r' or 'picks: g of n', got {part.strip()!r}"
            )
        words = found["axes"].split()
        kind = "size" if found["kind"] == "=" else "positions" if "of" in words else "array"
        axes = tuple(word for word in words if word not in ("...", "of"))
        items.append(Item(found["name"], kind, axes, "..." in words, bool(found["optional"])))
    return tuple(items)


def check(contract: str, /, *, factored: tuple[str, ...] = (), **arguments: Any) -> tuple[Any, dict[str, int]]:
    """Hold arguments against a contract; never look at the values of an array.

    Parameters
    ----------
    contract : str
    factored : tuple of str
        The arguments that may be factored matrices (see `factorattn.factor`) in place of arrays.
    **arguments
        Every name in the contract, and no other; None for an optional one that was left out.

    Returns
    -------
    xp : namespace
        The array namespace that all arrays share.
    size : dict of str to int
        The size of every letter that was bound.

    Raises
    ------
    TypeError
        If an argument is not an array, has no real floating dtype, or lives in another namespace than the first.
    ValueError
        If shapes or sizes disagree, or arrays are on different devices.
    """
    items = [item for item in parse(contract) if not (item.optional and arguments[item.name] is None)]
    arrays = {item.name: arguments[item.name] for item in items if item.kind == "array"}
    for name, value in arrays.items():
        if hasattr(value, "__factored__") and name not in factored:
            raise TypeError(f"{name} must be an array, got a factored matrix; its to_dense() is one")
    xp = _common_namespace(arrays)
    size: dict[str, int] = {}
    owner: dict[str, str] = {}

    def bind(letter: str, value: int, told: str) -> None:
        if size.setdefault(letter, value) != value:
            raise ValueError(
                f"axis {letter!r} is {size[letter]} in {owner[letter]} but {value} in {told}; expected {contract}"
            )
        owner.setdefault(letter, told)

    for item in items:
        value = arguments[item.name]
        if item.kind == "array":
            shape = tuple(value.shape)
            if len(shape) < len(item.axes) or (len(shape) > len(item.axes) and not item.batched):
                dots = "..., " if item.batched else ""
                raise ValueError(
                    f"{item.name} needs shape ({dots}{', '.join(item.axes)}), got {shape}; expected {contract}"
                )
            for letter, length in zip(item.axes, shape[len(shape) - len(item.axes) :], strict=True):
                bind(letter, length, f"{item.name} {shape}")
        elif item.kind == "size":
            bind(item.axes[0], _positive(item.name, value), f"{item.name}={value}")
        else:
            bind(item.axes[0], _distinct(item.name, value, size[item.axes[1]]), f"{item.name}={tuple(value)}")
    check_batches({item.name: _batch(item, arguments[item.name]) for item in items if item.batched})
    return xp, size


def sample(
    contract: str,
    rng: np.random.Generator,
    sizes: Mapping[str, int],
    *,
    batch: tuple[int, ...] = (),
    optional: bool = True,
) -> dict[str, Any]:
    """Draw NumPy arguments that satisfy a contract: arrays standard normal, positions distinct and sorted.

    Optional arguments are drawn too, unless ``optional=False``.
    """
    drawn: dict[str, Any] = {}
    for item in parse(contract):
        lengths = tuple(sizes[letter] for letter in item.axes)
        if item.optional and not optional:
            continue
        if item.kind == "array":
            drawn[item.name] = rng.standard_normal((*(batch if item.batched else ()), *lengths))
        elif item.kind == "size":
            drawn[item.name] = lengths[0]
        else:
            drawn[item.name] = tuple(sorted(rng.choice(lengths[1], size=lengths[0], replace=False).tolist()))
    return drawn


def choose(options: Mapping[str, Any], /, **argument: str) -> Any:
    """Return the entry that a keyword argument names; ValueError listing the entries if there is none."""
    ((name, value),) = argument.items()
    if not isinstance(value, str) or value not in options:
        raise ValueError(f"{name} must be {' or '.join(map(repr, options))}, got {value!r}")
    return options[value]


def working_precision(*arrays: Any, xp: Any) -> tuple[Any, tuple[Any, ...]]:
    """The dtype a result should have, and the arrays in the dtype to compute in: the same, but float32 at the least."""
    dtype = xp.result_type(*(x.dtype if hasattr(x, "__factored__") else x for x in arrays))
    compute = dtype if xp.finfo(dtype).bits >= 32 else xp.float32
    return dtype, tuple(
        x.astype(compute) if hasattr(x, "__factored__") else xp.astype(x, compute, copy=False) for x in arrays
    )


def _common_namespace(arrays: Mapping[str, Any]) -> Any:
    first = xp = device = None
    for name, array in arrays.items():
        if not array_api_compat.is_array_api_obj(array):
            raise TypeError(f"{name} must be an array (NumPy, CuPy, torch, ...), got {type(array).__name__}")
        own = array_api_compat.array_namespace(array)
        if first is None:
            first, xp, device = name, own, array_api_compat.device(array)
        if own is not xp and _library(own) == _library(xp):
            raise TypeError(f"{first} and {name} belong to two different {_library(xp)} namespaces; make both in one")
        if own is not xp and "gradient" in (_library(own), _library(xp)):
            raise TypeError(
                f"{first} is a {_library(xp)} array but {name} is a {_library(own)} array; hand all arrays in as "
                "arguments of what is differentiated"
            )
        if own is not xp:
            raise TypeError(
                f"{first} is a {_library(xp)} array but {name} is a {_library(own)} array; "
                "give all of one library: nothing is moved between libraries silently"
            )
        if array_api_compat.device(array) != device:
            raise ValueError(
                f"{first} is on device {device} but {name} on {array_api_compat.device(array)}; "
                "move one of them: nothing is moved between devices silently"
            )
        if isinstance(array, np.ma.MaskedArray):
            raise TypeError(
                f"{name} is a masked array, whose mask would be ignored; fill it, and use mask= of attention"
            )
        if not xp.isdtype(array.dtype, "real floating"):
            raise TypeError(
                f"{name} must have a real floating dtype, got {array.dtype}; convert it first, e.g. to float32"
            )
    return xp


def _library(xp: Any) -> str:
    return xp.__name__.removeprefix("array_api_compat.")


def _positive(name: str, value: Any) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        number = 0
    if number < 1 or isinstance(value, bool):
        raise ValueError(f"{name} must be a positive integer, got {value!r}")
    return number


def _distinct(name: str, value: Any, below: int) -> int:
    # What can be read only once would be used up here: it has no length.
    given: list[Any] = list(value) if isinstance(value, Iterable) and isinstance(value, Sized) else [None]
    proper = all(hasattr(pick, "__index__") and not isinstance(pick, bool) for pick in given)
    picks = [operator.index(pick) for pick in given] if proper else [-1]
    if len(set(picks)) != len(picks) or not all(0 <= pick < below for pick in picks):
        told = repr(value) if len(given) <= 8 else f"{len(given)} positions"
        raise ValueError(f"{name} must be distinct integers in 0 .. {below - 1}, got {told}")
    return len(picks)


def _batch(item: Item, array: Any) -> tuple[int, ...]:
    return tuple(array.shape)[: array.ndim - len(item.axes)]


def check_batches(batches: Mapping[str, tuple[int, ...]]) -> None:
    """Hold the batch axes of several arrays, by name, against each other. ValueError if they do not broadcast."""
    try:
        np.broadcast_shapes(*batches.values())
    except ValueError:
        told = ", ".join(f"{name} {tuple(shape)}" for name, shape in batches.items())
        raise ValueError(f"batch axes must broadcast, got {told}") from None
