"""Parameters of Transformers, drawn anew: nested dicts of NumPy arrays, layers in a list.

    attention       query, key, value, output: {weight (c, c), bias (c,)};  learned: what else the mechanism learns
    feed_forward    in {weight (f, c), bias (f,)},  out {weight (c, f), bias (c,)}
    ..._norm        {weight (c,), bias (c,)}

Matrices are uniform in +- sqrt(6 / (in + out)) (Glorot and Bengio 2010), biases zero, gains one, spans
uniform from zero to the window.
"""

from typing import Any

import numpy as np

from factorattn.contract import Item, choose
from factorattn.model.initialize import xavier_uniform
from factorattn.model.initialize.layers import dense_parameters, norm_parameters
from factorattn.model.initialize.xavier import floating
from factorattn.model.transformer.beside import key_heads
from factorattn.model.transformer.slot import Plan, Slot, plan_of
from factorattn.model.transformer.sublayer import NORMS
from factorattn.scalars import generator, whole

__all__ = ["feed_forward_parameters", "slot_parameters", "stack_parameters", "width_of_head"]


def feed_forward_parameters(rng: np.random.Generator, c: int, hidden: int, dtype: Any) -> dict[str, Any]:
    """Two layers, to the hidden units and back."""
    return {"in": dense_parameters(rng, hidden, c, dtype), "out": dense_parameters(rng, c, hidden, dtype)}


def width_of_head(c: int, heads: int) -> int:
    """The width of one of so many heads, c / heads. ValueError unless that is a positive integer."""
    if whole(c=c) < 1 or whole(heads=heads) < 1 or c % heads:
        raise ValueError(f"heads must divide {c}, the size of a token, got {heads}")
    return c // heads


def slot_parameters(
    c: int, heads: int, *, slot: Slot | None = None, rng: Any = None, dtype: Any = "float64"
) -> dict[str, Any]:
    """Draw the parameters of the attention in one slot.

    Parameters
    ----------
    c : int
        Width of the model.
    heads : int
    slot : Slot, optional
        Softmax attention by default.
    rng : int, numpy.random.Generator or None
        Source of randomness (SPEC 7).
    dtype : data type
        Real floating.

    Returns
    -------
    dict of NumPy arrays
        ``{"query", "key", "value", "output", "learned"}``, or what there is of these; the last holds, by their names in
        the contract, the arrays that the mechanism learns and the layers that project tokens for it. Those of a
        mechanism that sees heads have an axis of heads first.

    Raises
    ------
    ValueError
        If `heads` does not divide c, or the slot lacks the size of a letter, or sets one that the model tells.
    """
    slot, rng = Slot() if slot is None else slot, generator(rng)
    plan, sizes = plan_of(slot.mechanism, slot.learned), _sizes(slot, c, heads)
    found: dict[str, Any] = {}
    for name in PROJECTIONS[plan.kind]:
        width = sizes["e" if name in ("value", "output") else _letter(plan)]
        total = width * (key_heads(heads, slot) if name in ("key", "value") else heads)
        out, into = (c, total) if name == "output" else (total, c)
        found[name] = dense_parameters(rng, out, into, dtype)
        if plan.kind == "coefficients" and name in ("key", "value"):
            del found[name]["bias"]  # a bias of coefficients would be no constant, but a function of time
    learned = {item.name: _learned(item, slot, sizes, c, heads, rng, dtype) for item in plan.learned}
    return found | ({"learned": learned} if learned else {})


FOUR = ("query", "key", "value", "output")
PROJECTIONS = {
    "heads": FOUR,
    "grid": FOUR,
    "shared": ("query", "value", "output"),
    "continuous": FOUR,
    "coefficients": FOUR,
    "projected": ("output",),
    "tokens": (),
}


def _letter(plan: Plan) -> str:
    """The width of a query: d, but in mechanisms whose queries meet values, entry by entry."""
    return "e" if plan.f.__name__ == "aft_attention" else "d"


def _sizes(slot: Slot, c: int, heads: int) -> dict[str, int]:
    """Letters of the contract: those that the model tells, and those of the slot."""
    plan, d = plan_of(slot.mechanism, slot.learned), width_of_head(c, heads)
    told = {"tokens": {"c": c, "h": heads}, "projected": {"c": c, "a": c}}.get(plan.kind, {})
    wrong = [letter for letter in told if letter in slot.sizes]
    if wrong:
        raise ValueError(f"sizes of {slot.mechanism} must leave out {wrong[0]!r}: the model tells it")
    sizes = {"d": d, "e": slot.sizes.get("d", d)} | dict(slot.sizes) | told
    if plan.kind not in ("tokens", "projected"):
        sizes = {"c": sizes["d"]} | sizes
    if plan.kind == "tokens" and "g" in sizes:
        sizes["s"] = width_of_head(heads, sizes["g"])
    missing = sorted({axis for item in plan.learned if not _follows(item) for axis in item.axes} - set(sizes))
    if missing:
        record, letters = plan.f.record, ", ".join(f"{letter!r}: ..." for letter in missing)  # type: ignore[attr-defined]
        raise ValueError(
            f"{slot.mechanism} learns arrays of sizes that the model does not tell; give its slot "
            f"sizes={{{letters}}}, letters of {record.inputs}"
        )
    return sizes


def _follows(item: Item) -> bool:
    """Whether an argument has an entry, or a row, for each token, and no table: it is projected from the tokens."""
    return item.axes[0] in ("n", "m") and not {"n", "m"} & set(item.axes[1:])


def _learned(item: Item, slot: Slot, sizes: dict[str, int], c: int, heads: int, rng: Any, dtype: Any) -> Any:
    if item.axes == ("n",):  # a span of each head, inside its range: at zero its mask has a kink
        return rng.uniform(0.0, slot.option("window"), (heads, 1)).astype(floating(dtype))
    if _follows(item):
        rows = sizes[item.axes[1]] if len(item.axes) > 1 else 1
        return dense_parameters(rng, heads * rows, c, dtype)
    shape = tuple(sizes[axis] for axis in item.axes)
    shape = shape if plan_of(slot.mechanism, slot.learned).kind == "tokens" else (heads, *shape)
    if item.name.startswith("b_") or item.name == "b":
        return np.zeros(shape, dtype)
    matrix = shape if len(item.axes) > 1 else (*shape[:-1], 1, shape[-1])  # a vector is a layer with one output
    return np.reshape(xavier_uniform(matrix, rng=rng, dtype=dtype), shape)


def stack_parameters(layers: list[dict[str, Any]], c: int, norm: str, dtype: Any) -> dict[str, Any]:
    """Layers with the norms that they need: one a sublayer, and with "pre" one after the last layer."""
    choose(NORMS, norm=norm)
    if norm != "none":
        layers = [layer | {f"{name}_norm": norm_parameters(c, dtype) for name in layer} for layer in layers]
    return {"layers": layers} | ({"norm": norm_parameters(c, dtype)} if norm == "pre" else {})
