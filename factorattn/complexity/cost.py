"""The cost of a mechanism at given sizes, by running its own text on arrays that have shapes and no values."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

from factorattn.contract import parse
from factorattn.interpret.counting import Tally, counting
from factorattn.scalars import whole

__all__ = ["Cost", "cost", "tally_of"]


class Cost(NamedTuple):
    """What one call costs.

    Attributes
    ----------
    flops : int
        Operations; a multiplication and an addition are two.
    by_kind : dict of str to int
        The same, apart: contract, elementwise, transcendental, reduce, decompose, transform.
    moved : int
        Bytes read and written, function by function.
    peak : int
        Bytes held at once beside the inputs.
    """

    flops: int
    by_kind: dict[str, int]
    moved: int
    peak: int


def cost(
    f: Callable,
    sizes: Mapping[str, int],
    *,
    dtype: str = "float32",
    batch: tuple[int, ...] = (),
    without: Collection[str] = (),
    **options: Any,
) -> Cost:
    """Count the cost of a mechanism.

    Parameters
    ----------
    f : callable
        A mechanism of the catalogue, or any function that carries a record.
    sizes : mapping of str to int
        A size for every letter of the contract ``f.record.inputs``; others are ignored. An optional argument with a
        letter that has no size is left out.
    dtype : str
        Of the inputs.
    batch : tuple of int
        Leading axes of the inputs.
    without : collection of str
        Optional arguments to leave out.
    **options
        Passed on to `f` (`form`, `causal`, ...).

    Raises
    ------
    ValueError
        If a letter has no size.

    Examples
    --------
    >>> from factorattn import cost, softmax_attention
    >>> cost(softmax_attention, {"n": 2**20, "m": 2**20, "d": 64, "e": 64}).by_kind["contract"]
    281474976710656
    """
    tally = tally_of(f, sizes, dtype=dtype, batch=batch, without=without, options=options)
    return Cost(tally.flops, tally.by_kind, tally.moved, tally.peak)


def tally_of(
    f: Callable,
    sizes: Mapping[str, int],
    *,
    dtype: str,
    batch: tuple[int, ...],
    options: Mapping[str, Any],
    without: Collection[str] = (),
) -> Tally:
    """Run `f` on a counting namespace and return its tally."""
    if not hasattr(f, "record"):
        raise TypeError(f"f must carry a record (see factorattn.mechanism), got {f!r}")
    for letter, size in sizes.items():
        if whole(**{letter: size}) < 0:
            raise ValueError(f"{letter} must be at least 0, got {size}")
    xp = counting()
    arguments: dict[str, Any] = {}
    for item in parse(f.record.inputs):
        missing = [letter for letter in item.axes if letter not in sizes]
        if item.optional and (missing or item.name in without):
            continue
        if missing:
            raise ValueError(f"{f.__name__} needs a size for {', '.join(missing)}; its inputs are {f.record.inputs}")
        lengths = tuple(sizes[letter] for letter in item.axes)
        if item.kind == "array":
            arguments[item.name] = xp.empty((*(batch if item.batched else ()), *lengths), dtype=getattr(xp, dtype))
        else:
            arguments[item.name] = lengths[0] if item.kind == "size" else tuple(range(lengths[0]))
    xp.tally.start()
    f(**arguments, **options)
    return xp.tally
