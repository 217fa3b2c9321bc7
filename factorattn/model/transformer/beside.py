"""What a mechanism is given beside queries, keys and values: options, a mask in its shape, and arrays that are learned.

    mask (..., m) of tokens      as the mechanism takes it, with axes for heads and queries
    learned arrays               as they are; tables of positions are cut to the lengths there are
    learned layers               what they make of each token that asks, or of each that is asked

All of it is found before the mechanism is called.
"""

from collections.abc import Mapping
from typing import Any

from factorattn.model.layers import linear, split_heads
from factorattn.model.transformer.slot import Plan, Slot

__all__ = ["beside_keys", "further", "key_heads", "on_grid", "options_of"]

UNDRAWN = ("hard_attention",)  # takes rng, and draws only where it is given


def options_of(
    plan: Plan, slot: Slot, mask: Any | None, own_mask: Any | None = None, *, causal: bool, xp: Any
) -> dict[str, Any]:
    """The keyword arguments of a mechanism that are not learned; masks of keys (..., m), and of queries (..., n)."""
    record = plan.f.record  # type: ignore[attr-defined]
    options = {"rng": 0} if plan.draws and slot.mechanism not in UNDRAWN else {}
    options |= slot.options
    if causal and record.causal != "always":
        options["causal"] = True
    axes = record.mask_shape.split()
    if mask is not None:
        options["mask"] = _mask(mask, axes, plan.kind, slot, xp=xp)
    if own_mask is not None and record.coupled and axes[0] == "n":  # padding must not ask: others would notice
        asking = own_mask[..., None, :, None]  # (..., 1, n, 1)
        options["mask"] = asking & options["mask"] if mask is not None else asking
    return options


def key_heads(heads: int, slot: Slot) -> int:
    """How many heads keys and values have: all, unless they are grouped."""
    return slot.sizes["g"] if slot.options.get("grouped") else heads


def further(
    plan: Plan,
    parameters: Mapping[str, Any],
    x: Any,
    m: int,
    beside: Mapping[str, Any],
    options: Mapping[str, Any],
    *,
    heads: int,
    first: int,
    xp: Any,
) -> dict[str, Any]:
    """The arrays of a mechanism beside queries, keys and values: learned ones, parts of tables, what tokens make.

    Parameters
    ----------
    plan : Plan
    parameters : mapping
        Of the slot.
    x : array, shape (..., n, c)
        The tokens that ask, the first of which is number `first`.
    m : int
        Number of keys.
    beside : mapping
        What comes with the keys, from `beside_keys`.
    options : mapping
        From `options_of`.
    heads, first : int
    xp : namespace
    """
    rows = slice(first, first + x.shape[-2])
    found = {"lengths": _lengths(x, m, rows, options, xp=xp)} if plan.f.__name__ in COUNTED else {}
    for item in plan.learned:
        value = parameters["learned"][item.name]
        if item.name in beside or isinstance(value, Mapping):
            value = beside[item.name] if item.name in beside else split_heads(linear(x, value, xp=xp), heads, xp=xp)
            found[item.name] = value if len(item.axes) > 1 else value[..., 0]
        elif item.axes == ("n",):  # one number a head, the same for all its queries
            found[item.name] = xp.broadcast_to(value, (*value.shape[:-1], x.shape[-2]))
        else:
            found[item.name] = _part(item, value, {"n": rows, "m": slice(0, m)})
    return found


COUNTED = ("local_predictive_attention",)  # takes how many tokens each query can look at


def _lengths(x, m, rows, options, *, xp):
    """How many tokens there are to look at: all that are no padding, and in a causal slot those so far."""
    mask, causal = options.get("mask"), options.get("causal", False)
    shown = xp.ones((1, 1, m), dtype=x.dtype, device=x.device) if mask is None else xp.astype(mask, x.dtype)
    if causal:
        return xp.cumulative_sum(shown, axis=-1)[..., 0, rows]  # (..., 1, n)
    return xp.broadcast_to(xp.sum(shown, axis=-1), (*shown.shape[:-2], rows.stop - rows.start))


def beside_keys(plan: Plan, parameters: Mapping[str, Any], y: Any, *, heads: int, xp: Any) -> dict[str, Any]:
    """What a mechanism takes for each key beside key and value: name to array (..., h, m, d), d = 1 for numbers."""
    given = {item.name: parameters["learned"][item.name] for item in plan.learned if item.axes[0] == "m"}
    return {name: split_heads(linear(y, w, xp=xp), heads, xp=xp) for name, w in given.items()}


def _part(item, table, rows):
    """What a table says of some queries and keys."""
    wanted = [rows.get(axis, slice(None)) for axis in item.axes]
    for axis, part, size in zip(item.axes, wanted, table.shape[table.ndim - len(wanted) :], strict=True):
        if part.stop is not None and part.stop > size:
            raise ValueError(f"{item.name} was made for {axis} = {size} tokens at most, got {part.stop}")
    return table[(..., *wanted)] if any(part.stop is not None for part in wanted) else table


def _mask(mask, axes, kind, slot, *, xp):
    """A mask over keys (..., m) as the mechanism takes it: with axes for heads and queries."""
    if axes != ["x", "y", "y"]:
        ones = len(axes) - 1 if kind == "tokens" else 2
        return mask[(..., *(None,) * ones, slice(None))]
    lines = on_grid(mask[..., None], slot, xp=xp)[..., 0]  # (..., x, y)
    lines = xp.matrix_transpose(lines) if slot.options.get("axis") == "column" else lines
    return lines[..., None, :, None, :]  # (..., 1, x, 1, y)


def on_grid(rows, slot, *, xp):
    """Tokens row by row: (..., x y, d) to (..., x, y, d)."""
    x, y = slot.sizes["x"], slot.sizes["y"]
    if rows.shape[-2] != x * y:
        raise ValueError(f"{slot.mechanism} needs {x * y} tokens, {x} rows of {y}, got {rows.shape[-2]}")
    return xp.reshape(rows, (*rows.shape[:-2], x, y, rows.shape[-1]))
