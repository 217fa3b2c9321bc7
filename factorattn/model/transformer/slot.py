"""A place for attention in a Transformer: which mechanism of the catalogue stands in it, and what it is to be told.

    Slot()                                                     softmax attention, as in Vaswani et al. 2017
    Slot("window", options={"window": 64})                     options of the mechanism
    Slot("linformer", sizes={"r": 32, "m": 512})               letters of its contract, for the arrays that it learns

How a mechanism is fed is read off its contract: a `Plan`. What it cannot do in a place is refused, with the reason.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from inspect import signature
from typing import Any, NamedTuple

from factorattn.attention import CATALOGUE, find
from factorattn.contract import Item, parse

__all__ = ["FREE_OF_THE_FUTURE", "LEARNED", "Plan", "Slot", "free_of_the_future", "hold", "plan_of"]

# Optional arguments that are parameters of the model: those that the papers learn wherever they have them.
BIASES = ("b_q", "b_k", "b_v", "b_o")
LEARNED: Mapping[str, tuple[str, ...]] = {
    "aft_attention": ("w",),
    "compressive_attention": ("u", "v_bias"),
    "grouped_query_attention": BIASES,
    "latent_attention": ("w_qr", "w_kr"),
    "linformer_attention": ("e", "f"),
    "multidimensional_attention": ("b_1",),
    "multihead_attention": BIASES,
    "multiquery_attention": BIASES,
    "persistent_attention": ("k_persistent", "v_persistent"),
    "soft_attention": ("b",),
    "transformer_xl_attention": ("u", "v_bias"),
}
TOLD = ("causal", "mask", "return_lse")  # what the model says, and what would change the kind of result
FREE_OF_THE_FUTURE = {"cosformer_attention": "length"}  # options that turn "values" into full causality


@dataclass(frozen=True)
class Slot:
    """What attends in one place of a Transformer.

    Parameters
    ----------
    mechanism : str
        A name in `factorattn.CATALOGUE`, with or without its ``_attention``.
    options : mapping of str to value
        Options of the mechanism. Where it draws, ``rng`` is 0 unless it is given here: a model is a function of its
        parameters.
    sizes : mapping of str to int
        Letters of the mechanism's contract that the width and the heads of the model do not tell: those of learned
        arrays, among them n and m, the greatest lengths; x and y of a grid; g, the key heads that ``grouped`` shares.
    learned : tuple of str, optional
        Optional arrays of the mechanism that are parameters of the model; by default those in `LEARNED`.
    weakly_causal : bool
        Let a mechanism whose record says "values" stand in a causal slot: later values reach no earlier output, but
        later queries and keys take part in forming groups, so that training sees more than decoding will.

    Raises
    ------
    ValueError
        If the mechanism is not in the catalogue, gives no vector for each query or has no such option, or `options` say
        what the model says.
    """

    mechanism: str = "softmax_attention"
    options: Mapping[str, Any] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    learned: tuple[str, ...] | None = None
    weakly_causal: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "mechanism", find(self.mechanism).__name__)
        plan = plan_of(self.mechanism, self.learned)
        wrong = [name for name in (*TOLD, *(item.name for item in plan.learned)) if name in self.options]
        if wrong:
            raise ValueError(f"options of a slot must leave out {wrong[0]}: the model and its parameters tell it")
        known = signature(plan.f).parameters
        unknown = [name for name in self.options if name not in known]
        if unknown:
            told = ", ".join(name for name, argument in known.items() if argument.kind is argument.KEYWORD_ONLY)
            raise ValueError(f"options of {self.mechanism} must be among {told}; got {unknown[0]!r}")

    def option(self, name: str) -> Any:
        """An option as the mechanism has it: what is given, or its default."""
        return self.options.get(name, signature(CATALOGUE[self.mechanism]).parameters[name].default)


class Plan(NamedTuple):
    """How a mechanism is fed.

    Parameters
    ----------
    f : callable
        The mechanism.
    kind : str
        What its first arguments are, a name in `factorattn.model.transformer.attend.KINDS`.
    learned : tuple of Item
        The arguments that are parameters, or projections of the tokens.
    crosses : bool
        Whether keys may be those of another sequence.
    draws : bool
        Whether it takes ``rng``.
    """

    f: Callable
    kind: str
    learned: tuple[Item, ...]
    crosses: bool
    draws: bool


@cache
def plan_of(mechanism: str, learned: tuple[str, ...] | None = None) -> Plan:
    """The plan of a mechanism, by its full name. ValueError if it cannot stand in any slot, or learns no such array."""
    f = CATALOGUE[mechanism]
    items = {item.name: item for item in parse(f.record.inputs)}  # type: ignore[attr-defined]
    kind = _kind(f, items)
    wanted = LEARNED.get(mechanism, ()) if learned is None else learned
    rest = {name: item for name, item in items.items() if name not in FIRST[kind] and _may_be_learned(item)}
    unknown = [name for name in wanted if name not in rest]
    if unknown:
        raise ValueError(f"learned must name arrays of {mechanism}, {' or '.join(rest) or 'none'}; got {unknown[0]!r}")
    chosen = tuple(item for item in rest.values() if not item.optional or item.name in wanted)
    return Plan(f, kind, chosen, _crosses(kind, items), "rng" in signature(f).parameters)


# The arguments that are tokens or projections of them, which every mechanism of a kind has.
FIRST = {
    "heads": ("q", "k", "v"),
    "grid": ("q", "k", "v"),
    "shared": ("qk", "v"),
    "continuous": ("mu", "sigma", "v", "g"),
    "coefficients": ("q", "k", "v"),
    "projected": ("x", "y"),
    "tokens": ("x", "y"),
}


def _kind(f: Callable, items: Mapping[str, Item]) -> str:
    record = f.record  # type: ignore[attr-defined]
    first, output = next(iter(items.values())), record.output.split()
    if first.name == "q" and output != ["2", "c"]:
        return "grid" if first.axes[0] == "x" else "coefficients" if items["k"].axes[0] == "r" else "heads"
    if first.name in ("qk", "mu"):
        return "shared" if first.name == "qk" else "continuous"
    if first.name == "x" and first.axes == ("n", "c") and output[0] == "n":
        return "tokens" if output[1] == "c" else "projected"
    raise ValueError(
        f"{f.__name__} cannot stand in a slot: it has no answer of its own for each token of one sequence, but takes "
        f"{record.inputs.partition(', w_')[0]} and gives (..., {', '.join(output)})"
    )


def _may_be_learned(item: Item) -> bool:
    """Whether an argument may be a parameter; what is drawn, remembered or counted is none."""
    counted = item.optional and item.axes == ("n",)
    return item.kind == "array" and item.name not in GIVEN and not counted


GIVEN = ("hashes", "rotations", "omega", "k_memory", "v_memory", "k_compressed", "v_compressed")


def _crosses(kind: str, items: Mapping[str, Item]) -> bool:
    if kind in ("tokens", "projected"):
        return "y" in items
    return kind in ("continuous", "coefficients") or (kind == "heads" and items["k"].axes[0] == "m")


def hold(slot: Slot, *, causal: bool, cross: bool) -> Plan:
    """The plan of a slot, which may stand where it is. ValueError with the reason if it may not."""
    plan = plan_of(slot.mechanism, slot.learned)
    record, name = plan.f.record, slot.mechanism  # type: ignore[attr-defined]
    if cross and not plan.crosses:
        raise ValueError(
            f"{name} cannot attend from one sequence to another: its queries stand where its keys do; "
            f"expected {record.inputs}"
        )
    if causal and record.causal == "never":
        raise ValueError(f"{name} cannot stand in a causal slot: {record.refuses['causal']}")
    if causal and record.causal == "values" and not free_of_the_future(slot) and not slot.weakly_causal:
        raise ValueError(
            f"{name} can stand in a causal slot only with weakly_causal=True: later values reach no earlier output, "
            "but later queries and keys take part in forming its groups"
        )
    if causal and name == "local_2d_attention":
        _rows_in_order(slot)
    return plan


def free_of_the_future(slot: Slot) -> bool:
    """Whether a mechanism whose record says "values" is told what makes it fully causal."""
    return slot.mechanism in FREE_OF_THE_FUTURE and slot.option(FREE_OF_THE_FUTURE[slot.mechanism]) is not None


def _rows_in_order(slot: Slot) -> None:
    """Blocks follow each other as tokens do only where each is as wide as the grid."""
    wide, y = slot.option("block")[1], slot.sizes.get("y", 0)
    if wide < y:
        raise ValueError(
            f"local_2d_attention generates block by block: in a causal slot each must be as wide as the grid, so that "
            f"tokens come row by row; expected block=(rows, {y}), got {wide} columns"
        )
