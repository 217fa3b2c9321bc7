"""One call of a slot that keeps what it has seen: what all ways of keeping are told."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from factorattn.model.transformer.beside import options_of
from factorattn.model.transformer.slot import Plan, Slot

__all__ = ["Asked", "Kept", "joined"]

Kept = Mapping[str, Any]


class Asked(NamedTuple):
    """One call of a slot: what all modes are told.

    Parameters
    ----------
    plan : Plan
    slot : Slot
    parameters : mapping
        Of the slot.
    x : array, shape (..., t, c)
        The tokens that ask.
    mask : boolean array, shape (..., m), optional
        Over all tokens that are asked.
    causal : bool
    heads, first : int
        `first` tokens have asked before.
    xp : namespace
    """

    plan: Plan
    slot: Slot
    parameters: Mapping[str, Any]
    x: Any
    mask: Any | None
    causal: bool
    heads: int
    first: int
    xp: Any

    def options(self, mask: Any | None) -> dict[str, Any]:
        """Keyword arguments of the mechanism."""
        return options_of(self.plan, self.slot, mask, causal=self.causal, xp=self.xp)


def joined(cache, new, *, xp):
    """Arrays of the cache with new rows behind theirs."""
    return new if cache is None else {name: xp.concat([cache[name], new[name]], axis=-2) for name in new}
