"""What recurrent networks share: the inputs' products for all times at once, and the one loop over time.

a_t = W x_t + b             for all t, in one product
s_t = step(a_t, s_(t-1))    one after another; s_t = s_(t-1) where mask_t is False
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace, is_array_api_obj

from factorattn.contract import check, check_batches, parse, working_precision

__all__ = ["Door", "check_gates", "check_mask", "delayed", "gate", "loop", "open_door", "run"]


class Door(NamedTuple):
    """What was given to a cell or a network, checked, in the precision to compute in."""

    xp: Any
    dtype: Any
    size: dict[str, int]
    layers: dict[str, dict[str, Any]]
    arrays: tuple[Any, ...]


def open_door(contract: str, parameters: Mapping[str, Any], arrays: Mapping[str, Any], mask: Any | None = None) -> Door:
    """Hold the arguments of a recurrent network against its contract.

    Parameters
    ----------
    contract : str
        ``input_weight`` is ``parameters["input"]["weight"]``, and so on; x comes first.
    parameters : mapping
    arrays : mapping
        Everything else in the contract. They are returned in this order, zeros for what is None, but `targets`.
    mask : boolean array, shape (..., n), optional
    """
    items = {item.name: item for item in parse(contract)}
    weights = tuple(name for name in items if name.endswith("_weight"))
    layers = [name.removesuffix("_weight") for name in weights]
    given = {f"{layer}_{part}": parameters[layer].get(part) for layer in layers for part in ("weight", "bias")}
    xp, size = check(contract, factored=weights, **arrays, **given)
    # A state has the precision of the computation, and does not say that of the result.
    x, *rest = arrays
    told = [name for name, value in given.items() if value is not None]
    dtype, (first, *cast) = working_precision(arrays[x], *(given[name] for name in told), xp=xp)
    given = given | dict(zip(told, cast, strict=True))
    found = [first]
    for name in rest:
        value = arrays[name]
        if value is None and name != "targets":
            value = xp.zeros((size[items[name].axes[-1]],), dtype=first.dtype, device=first.device)
        found.append(value if value is None else xp.astype(value, first.dtype, copy=False))
    if mask is not None:
        check_mask(mask, first, xp=xp)
        named = {name: value for name, value in zip(arrays, found, strict=True) if value is not None}
        batches = {name: value.shape[: value.ndim - len(items[name].axes)] for name, value in named.items()}
        check_batches({"mask": mask.shape[:-1]} | batches)
    tree = {layer: {part: given[f"{layer}_{part}"] for part in ("weight", "bias")} for layer in layers}
    return Door(xp, dtype, size, tree, tuple(found))


def run(
    scan: Callable, inputs: tuple[Any, ...], state: tuple[Any, ...], mask: Any | None, *, dtype: Any, xp: Any
) -> tuple[Any, tuple[Any, ...]]:
    """Go through time with the batch axes of all arrays broadcast and made one.

    Parameters
    ----------
    scan : callable
        ``scan(*inputs, *state, mask)`` for arrays (rows, n, sizes) of inputs, (rows, hidden) of the state and (rows, n)
        of the mask: outputs (rows, n, hidden), and the parts of the state after the last time.
    inputs : tuple of arrays, shapes (..., n, sizes)
    state : tuple of arrays, shapes (..., hidden)
    mask : boolean array, shape (..., n), optional
    dtype : dtype
        Of the outputs.

    Returns
    -------
    h : array, shape (..., n, hidden)
    state : tuple of arrays, shapes (..., hidden)
    """
    leading = [x.shape[:-2] for x in inputs] + [x.shape[:-1] for x in state]
    batch = np.broadcast_shapes(*leading, () if mask is None else mask.shape[:-1])
    inputs = tuple(_folded(x, batch, 2, xp=xp) for x in inputs)
    state = tuple(_folded(x, batch, 1, xp=xp) for x in state)
    h, *state = scan(*inputs, *state, mask if mask is None else _folded(mask, batch, 1, xp=xp))
    h = xp.reshape(xp.astype(h, dtype, copy=False), (*batch, *h.shape[1:]))
    return h, tuple(xp.reshape(x, (*batch, x.shape[-1])) for x in state)


def loop(
    step: Callable, inputs: tuple[Any, ...], state: tuple[Any, ...], mask: Any | None, *, xp: Any
) -> tuple[Any, ...]:
    """One time after another: ``state = step(*inputs at t, *state)``, whose first part is the output.

    Parameters
    ----------
    step : callable
        Of arrays (rows, sizes).
    inputs : tuple of arrays, shapes (rows, n, sizes)
    state : tuple of arrays, shapes (rows, hidden)
    mask : boolean array, shape (rows, n), optional

    Returns
    -------
    h : array, shape (rows, n, hidden)
    *state : arrays, shapes (rows, hidden)
    """
    # Arrays of one time come from one call: its gradient is one call as well, where n subscripts would each have one as
    # long as the sequence.
    times = zip(*(xp.unstack(x, axis=1) for x in inputs), strict=True)
    seen = None if mask is None else xp.unstack(mask[..., None], axis=1)
    outputs = []
    for t, now in enumerate(times):
        new = step(*now, *state)
        state = new if seen is None else tuple(xp.where(seen[t], x, old) for x, old in zip(new, state, strict=True))
        outputs.append(state[0])
    h = xp.stack(outputs, axis=1) if outputs else state[0][:, None, :][:, :0, :]
    return h, *state


def gate(x: Any, *, xp: Any) -> Any:
    """The logistic sigmoid 1 / (1 + exp(-x)) = (1 + tanh(x / 2)) / 2: one function in range for all x."""
    return 0.5 * xp.tanh(0.5 * x) + 0.5


def _folded(x: Any, batch: tuple[int, ...], kept: int, *, xp: Any) -> Any:
    """Batch axes broadcast, and made one: (..., sizes) to (rows, sizes), with so many axes kept."""
    own = x.shape[x.ndim - kept :]
    x = x if x.shape == (*batch, *own) else xp.broadcast_to(x, (*batch, *own))
    return xp.reshape(x, (math.prod(batch), *own))


def delayed(y: Any, before: Any, mask: Any | None, *, xp: Any) -> tuple[Any, Any]:
    """Rows of y (..., n, c) one time later, and what comes then; rows where the mask is False are passed over.

    Returns
    -------
    past : array, shape (..., n, c)
        ``before`` (..., c), and then the rows but the last.
    after : array, shape (..., c)
    """

    def show(y, before, mask):
        return loop(lambda now, _: (now,), (y,), (before,), mask, xp=xp)

    shown = y if mask is None else run(show, (y,), (before,), mask, dtype=y.dtype, xp=xp)[0]
    batch = np.broadcast_shapes(shown.shape[:-2], before.shape[:-1])
    first = xp.broadcast_to(before[..., None, :], (*batch, 1, before.shape[-1]))
    shown = xp.broadcast_to(shown, (*batch, *shown.shape[-2:]))
    rows = xp.concat([first, shown], axis=-2)  # one more than times
    return rows[..., :-1, :], rows[..., -1, :]


def check_mask(mask: Any, x: Any, *, xp: Any) -> None:
    """A mask over the times of x (..., n, c)."""
    if not is_array_api_obj(mask) or array_namespace(mask) != xp:
        raise TypeError(f"mask must be an array of the same library as x, got {type(mask).__name__}")
    if mask.dtype != xp.bool:
        raise TypeError(f"mask must be boolean, True where there is a token, got {mask.dtype}")
    if mask.ndim < 1 or mask.shape[-1] != x.shape[-2]:
        raise ValueError(f"mask must have shape (..., {x.shape[-2]}), the n of x, got {tuple(mask.shape)}")


def check_gates(size: Mapping[str, int], *, gates: int, layers: str = "input_weight and recurrent_weight") -> None:
    """A block of hidden rows for every gate."""
    want = gates * size["hidden"]
    if size["gates"] != want:
        raise ValueError(f"{layers} must have {gates} * {size['hidden']} = {want} rows, got {size['gates']}")
