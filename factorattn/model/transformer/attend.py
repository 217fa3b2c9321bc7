"""Attention in a slot: the tokens x ask those of y, through any mechanism of the catalogue.

    q = heads of W_q x,   k = heads of W_k y,   v = heads of W_v y,   out = W_o joined(mechanism(q, k, v))

That is the first of the kinds of mechanisms; the others differ in what they are given, and share the rest.

    heads           q, k, v as above; fewer heads of keys than of queries where they are grouped
    grid            the same, the tokens laid out row by row on x rows of y
    shared          W_q x is query and key
    continuous      the density of a softmax over the times of the values, and v (Martins et al. 2020)
    coefficients    k and v of y as a function of time, with r coefficients (Martins et al. 2022)
    projected       x and y, and projections of each head; W_o joins them
    tokens          x and y, and all projections
"""

from collections.abc import Mapping
from typing import Any

from factorattn.attention import softmax_attention
from factorattn.attention.memory import extend_memory
from factorattn.model.layers import join_heads, linear, split_heads
from factorattn.model.transformer.beside import beside_keys, further, key_heads, on_grid, options_of
from factorattn.model.transformer.slot import Plan, Slot, hold

__all__ = ["attend", "coefficients_of", "density_of", "mixed"]


def attend(
    parameters: Mapping[str, Any],
    x: Any,
    y: Any | None = None,
    *,
    heads: int,
    slot: Slot,
    mask: Any | None = None,
    own_mask: Any | None = None,
    causal: bool = False,
    xp: Any,
) -> Any:
    """What a slot makes of tokens x (..., n, c), which ask y (..., m, c), by default themselves: (..., n, c).

    Parameters
    ----------
    parameters : mapping
        As `factorattn.model.transformer.slot_parameters` makes them.
    x : array, shape (..., n, c)
    y : array, shape (..., m, c), optional
    heads : int
    slot : Slot
    mask : boolean array, shape (..., m), optional
        True at tokens of y, False at padding.
    own_mask : boolean array, shape (..., n), optional, only with y
        The same of x: where answers depend on all queries, padding must not ask.
    causal : bool
        Token i asks tokens up to itself.
    xp : namespace

    Raises
    ------
    ValueError
        If the mechanism cannot stand there, or does not fit the lengths; the reason is given.
    """
    plan = hold(slot, causal=causal, cross=y is not None)
    own_mask = mask if y is None else own_mask
    if own_mask is not None and plan.f.record.coupled:  # type: ignore[attr-defined]
        x = xp.where(own_mask[..., None], x, 0.0)  # padding asks nothing, but centres of clusters begin anywhere
    options = options_of(plan, slot, mask, own_mask, causal=causal, xp=xp)
    return mixed(plan, parameters, x, x if y is None else y, options, heads=heads, slot=slot, xp=xp)


def mixed(
    plan: Plan,
    parameters: Mapping[str, Any],
    x: Any,
    y: Any,
    options: Mapping[str, Any],
    *,
    heads: int,
    slot: Slot,
    xp: Any,
) -> Any:
    """The same with a plan and options that are found already, and nothing checked."""
    o = KINDS[plan.kind](plan, parameters, x, y, options, heads=heads, slot=slot, xp=xp)
    return o if plan.kind == "tokens" else linear(join_heads(o, xp=xp), parameters["output"], xp=xp)


def _project(x, parameters, name, heads, *, xp):
    return split_heads(linear(x, parameters[name], xp=xp), heads, xp=xp)  # (..., h, n, d)


def _heads(plan, parameters, x, y, options, *, heads, slot, xp):
    q = _project(x, parameters, "query", heads, xp=xp)
    k, v = (_project(y, parameters, name, key_heads(heads, slot), xp=xp) for name in ("key", "value"))
    beside = beside_keys(plan, parameters, y, heads=heads, xp=xp)
    more = further(plan, parameters, x, y.shape[-2], beside, options, heads=heads, first=0, xp=xp)
    return plan.f(q, k, v, **more, **options)


def _grid(plan, parameters, x, y, options, *, heads, slot, xp):
    q, k, v = (
        on_grid(_project(rows, parameters, name, heads, xp=xp), slot, xp=xp)
        for rows, name in ((x, "query"), (y, "key"), (y, "value"))
    )
    o = plan.f(q, k, v, **options)  # (..., h, x, y, e)
    return xp.reshape(o, (*o.shape[:-3], o.shape[-3] * o.shape[-2], o.shape[-1]))


def _shared(plan, parameters, x, y, options, *, heads, slot, xp):
    qk, v = (_project(x, parameters, name, heads, xp=xp) for name in ("query", "value"))
    return plan.f(qk, v, **options)


def _continuous(plan, parameters, x, y, options, *, heads, slot, xp):
    q = _project(x, parameters, "query", heads, xp=xp)
    k, v = (_project(y, parameters, name, heads, xp=xp) for name in ("key", "value"))
    return plan.f(*density_of(q, k, xp=xp), v, **options)


def density_of(q: Any, k: Any, *, xp: Any) -> tuple[Any, Any]:
    """Mean and standard deviation (..., n) of the times 1/m ... 1 of keys, under the softmax of each query.

    Rounding may leave a variance at or below zero, where a root has no gradient: it is held above the smallest number
    that a sum near one can tell.
    """
    m = k.shape[-2]
    t = (xp.arange(m, dtype=k.dtype, device=k.device) + 1.0) / max(m, 1)
    moments = softmax_attention(q, k, xp.stack([t, t * t], axis=-1))  # (..., h, n, 2)
    mu = moments[..., 0]
    least = xp.asarray(xp.finfo(k.dtype).eps, dtype=k.dtype, device=k.device)
    return mu, xp.sqrt(xp.maximum(moments[..., 1] - mu * mu, least))


def _coefficients(plan, parameters, x, y, options, *, heads, slot, xp):
    b = coefficients_of(y, slot)  # (..., r, c)
    return _heads(plan, parameters, x, b, options, heads=heads, slot=slot, xp=xp)


def coefficients_of(y: Any, slot: Slot) -> Any:
    """The tokens y as a function of time: r coefficients (..., r, c)."""
    widths = {"widths": slot.options["widths"]} if "widths" in slot.options else {}
    return extend_memory(None, y, rank=slot.sizes["r"], **widths)


def _projected(plan, parameters, x, y, options, *, heads, slot, xp):
    return plan.f(*_sequences(plan, x[..., None, :, :], y[..., None, :, :]), **parameters["learned"], **options)


def _tokens(plan, parameters, x, y, options, *, heads, slot, xp):
    x, *others = _sequences(plan, x, y)
    return plan.f(x, **parameters["learned"], **({"y": others[0]} if others else {}), **options)


def _sequences(plan, x, y):
    """The sequences that a mechanism takes: both, or the one that asks itself."""
    return (x, y) if plan.crosses else (x,)


KINDS = {
    "heads": _heads,
    "grid": _grid,
    "shared": _shared,
    "continuous": _continuous,
    "coefficients": _coefficients,
    "projected": _projected,
    "tokens": _tokens,
}
