"""Attention of new tokens alone: the rows that the parallel pass would give them, from what is kept of earlier ones.

    o, cache = step(parameters, x, cache)              a causal slot: new tokens join the cache
    cache = keep_memory(parameters, memory)            a slot that asks a memory: its keys are found once
    o = ask_memory(parameters, x, cache)

What cannot be found row by row is refused, with the reason. See `factorattn.model.transformer.kept` for the ways.
"""

from collections.abc import Mapping
from typing import Any

from factorattn.model.transformer.asked import Asked
from factorattn.model.transformer.attend import coefficients_of
from factorattn.model.transformer.kept import KEPT, state_step, within_reach
from factorattn.model.transformer.slot import FREE_OF_THE_FUTURE, Plan, Slot, free_of_the_future, hold
from factorattn.model.transformer.state import FEATURES_OF

__all__ = ["ask_memory", "keep_memory", "step"]


def step(
    parameters: Mapping[str, Any],
    x: Any,
    cache: Mapping[str, Any] | None,
    *,
    heads: int,
    slot: Slot,
    mask: Any | None,
    first: int,
    xp: Any,
) -> tuple[Any, Mapping[str, Any]]:
    """What a causal slot makes of new tokens x (..., t, c), and the cache with them.

    `cache` is what the last step gave, None before the first; `first` tokens came before, and `mask` (..., first + t)
    is that of all tokens so far.
    """
    plan = hold(slot, causal=True, cross=False)
    way = _way(plan, slot)
    asked = Asked(plan, slot, parameters, x, mask, True, heads, first, xp)
    if way == "state":
        return state_step(asked, cache)
    keep, answer = KEPT[way]
    kept = keep(asked, cache, x)
    return answer(asked, kept), within_reach(asked, kept) if way == "window" else kept


def keep_memory(parameters: Mapping[str, Any], memory: Any, *, heads: int, slot: Slot, xp: Any) -> Mapping[str, Any]:
    """What a slot that asks a memory (..., m, c) needs of it, found once for all tokens that will ask."""
    plan = hold(slot, causal=False, cross=True)
    keep, _ = KEPT[_way_across(plan, slot)]
    memory = coefficients_of(memory, slot) if plan.kind == "coefficients" else memory
    return keep(Asked(plan, slot, parameters, memory, None, False, heads, 0, xp), None, memory)


def ask_memory(
    parameters: Mapping[str, Any],
    x: Any,
    cache: Mapping[str, Any],
    *,
    heads: int,
    slot: Slot,
    mask: Any | None,
    first: int,
    xp: Any,
) -> Any:
    """What a slot makes of tokens x (..., t, c), after `first` others, from a memory that `keep_memory` has kept."""
    plan = hold(slot, causal=False, cross=True)
    _, answer = KEPT[_way_across(plan, slot)]
    return answer(Asked(plan, slot, parameters, x, mask, False, heads, first, xp), cache)


def _way(plan: Plan, slot: Slot) -> str:
    """How a causal slot decodes. ValueError if its rows would not be those of the parallel pass."""
    name, record = slot.mechanism, plan.f.record  # type: ignore[attr-defined]
    if plan.kind == "grid":
        _refuse(name, "its tokens fill a grid, and a text that grows does not")
    if record.causal == "values" and not free_of_the_future(slot):
        told = FREE_OF_THE_FUTURE.get(name)
        length = f"it counts places by how many tokens there are in all, unless {told} is given"
        _refuse(name, "later tokens take part in forming its groups" if told is None else length)
    if name in FEATURES_OF:
        return "state"
    _hold(plan, slot)
    return OWN_WAY.get(name) or ("tokens" if not plan.crosses else "keys" if plan.kind == "heads" else "rows")


OWN_WAY = {
    "compressive_attention": "memory",
    "grouped_query_attention": "heads",
    "latent_attention": "latent",
    "local_monotonic_attention": "placed",
    "multihead_attention": "heads",
    "multiquery_attention": "heads",
    "transformer_xl_attention": "memory",
    "window_attention": "window",
}


def _way_across(plan: Plan, slot: Slot) -> str:
    """The same for a slot that asks a memory."""
    name = slot.mechanism
    aligned = ALIGNED.get(name)
    if aligned is not None and aligned(plan, slot):
        _refuse(name, "it sets the last of all queries beside the last key, and that one is not known before the end")
    _hold(plan, slot)
    if plan.kind in ("continuous", "coefficients"):
        return "continuous" if plan.kind == "continuous" else "keys"
    return OWN_WAY.get(name) or ("keys" if plan.kind == "heads" else "rows")


# Where queries of one sequence have places among the keys of another.
ALIGNED = {
    "cosformer_attention": lambda plan, slot: True,
    "latent_attention": lambda plan, slot: any(item.name == "w_qr" for item in plan.learned),
    "softmax_attention": lambda plan, slot: slot.options.get("window") is not None,
    "aft_attention": lambda plan, slot: slot.options.get("window") is not None,
}


def _hold(plan: Plan, slot: Slot) -> None:
    if plan.f.record.coupled:  # type: ignore[attr-defined]
        _refuse(slot.mechanism, "the answer to a query depends on the other queries")
    for name in ("bias", "pattern"):
        if slot.options.get(name) is not None:
            _refuse(slot.mechanism, f"its {name} has a row for each query of one length")


def _refuse(name: str, why: str) -> None:
    raise ValueError(f"{name} cannot be decoded step by step: {why}")
