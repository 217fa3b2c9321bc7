"""Decoding with a cache: logits after new tokens, at the cost of the new tokens alone.

    cache = transformer_cache(parameters, source)                       the source is read once, its keys are kept
    logits, cache = transformer_step(parameters, tokens, cache)         one token or several at a time
    logits, cache = language_model_step(parameters, tokens, cache)      cache=None before the first

Logits are those of `transformer` and `language_model`; their rows are computed as tokens come. A cache is a tree of
arrays with sequences along their first axes, so that beam search may pick among them.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from factorattn.model.door import open_door
from factorattn.model.transformer.cache import ask_memory, keep_memory, step
from factorattn.model.transformer.door import check_mask, check_stack, slots_of
from factorattn.model.transformer.embedding import embedded, logits_of
from factorattn.model.transformer.encoder import encoder
from factorattn.model.transformer.feed_forward import feed_forward
from factorattn.model.transformer.slot import Slot
from factorattn.model.transformer.sublayer import finish, residual

__all__ = ["language_model_step", "transformer_cache", "transformer_step"]


def language_model_step(
    parameters: Mapping[str, Any],
    ids: Any,
    cache: Mapping[str, Any] | None = None,
    *,
    heads: int,
    mask: Any | None = None,
    norm: str = "post",
    slot: Slot | Sequence[Slot] | None = None,
    activation: str = "relu",
    positions: str = "sinusoidal",
    scale: bool = True,
    epsilon: float = 1e-5,
) -> tuple[Any, dict[str, Any]]:
    """Logits of a language model after some more tokens.

    Parameters
    ----------
    parameters : mapping
        As `language_model` takes them.
    ids : integer array, shape (..., t)
        The tokens that come next: a text to begin with, then one after the other.
    cache : mapping, optional
        What the last step gave; None before the first token.
    mask : boolean array, shape (..., t), optional
        True at tokens, False at padding: for the new ones.
    heads, norm, slot, activation, positions, scale, epsilon
        As `language_model` is told; the same in all steps.

    Returns
    -------
    logits : array, shape (..., t, vocabulary)
        Those that `language_model` gives for these tokens after all earlier ones.
    cache : dict
        For the next step. The one that was given can be used again, to go on differently.

    Raises
    ------
    ValueError
        As `language_model`, and if rows of the mechanism cannot be found one after the other; the reason is given.
    TypeError
        As `language_model`.
    """
    before = None if cache is None else cache["ids"]
    xp, dtype, parameters = open_door(parameters, ids, mask, before)
    first = 0 if before is None else before.shape[-1]
    x = embedded(
        parameters["embedding"], ids, positions=positions, scale=scale, name="ids", offset=first, xp=xp
    )  # (..., t, c)
    options: dict[str, Any] = {"heads": heads, "norm": norm, "activation": activation, "epsilon": epsilon}
    x, cache = _stack_step(parameters["stack"], x, ids, mask, cache, slot=slot, cross_slot=None, **options, xp=xp)
    return xp.astype(logits_of(x, parameters, parameters["embedding"], xp=xp), dtype, copy=False), cache


def transformer_cache(
    parameters: Mapping[str, Any],
    source_ids: Any,
    *,
    heads: int,
    source_mask: Any | None = None,
    norm: str = "post",
    encoder_slot: Slot | Sequence[Slot] | None = None,
    cross_slot: Slot | Sequence[Slot] | None = None,
    activation: str = "relu",
    positions: str = "sinusoidal",
    scale: bool = True,
    epsilon: float = 1e-5,
) -> dict[str, Any]:
    """Read a source, and keep what the decoder will ask of it: the cache before the first token of a target.

    Parameters
    ----------
    parameters : mapping
        As `transformer` takes them.
    source_ids : integer array, shape (..., m)
        Tokens of the source.
    source_mask : boolean array, shape (..., m), optional
        True at tokens of the source, False at padding.
    heads, norm, encoder_slot, cross_slot, activation, positions, scale, epsilon
        As `transformer` takes them.

    Returns
    -------
    dict
        ``"ids"`` and ``"mask"`` of the target so far, none yet, ``"layers"``, what each keeps of the target, nothing
        yet, ``"memory"``, what each keeps of the source, and ``"memory_mask"`` (..., m), or None.

    Raises
    ------
    ValueError, TypeError
        As `transformer`, and if rows of the mechanism cannot be found one after the other; the reason is given.
    """
    xp, _, parameters = open_door(parameters, source_ids, source_mask)
    table = parameters.get("source", parameters["target"])
    x = embedded(table, source_ids, positions=positions, scale=scale, name="source_ids", xp=xp)
    options: dict[str, Any] = {"heads": heads, "norm": norm, "activation": activation, "epsilon": epsilon}
    memory = encoder(parameters["encoder"], x, mask=source_mask, slot=encoder_slot, **options)
    layers = parameters["decoder"]["layers"]
    kept = [
        keep_memory(layer["cross_attention"], memory, heads=heads, slot=own, xp=xp)
        for layer, own in zip(layers, slots_of(cross_slot, len(layers), name="cross_slot"), strict=True)
    ]
    # A row for each sequence, as of all else: what picks among sequences picks along first axes.
    mask = None if source_mask is None else xp.broadcast_to(source_mask, source_ids.shape)
    nothing = source_ids[..., :0]
    return {"ids": nothing, "mask": None, "layers": [None] * len(layers), "memory": kept, "memory_mask": mask}


def transformer_step(
    parameters: Mapping[str, Any],
    target_ids: Any,
    cache: Mapping[str, Any],
    *,
    heads: int,
    target_mask: Any | None = None,
    norm: str = "post",
    slot: Slot | Sequence[Slot] | None = None,
    cross_slot: Slot | Sequence[Slot] | None = None,
    activation: str = "relu",
    positions: str = "sinusoidal",
    scale: bool = True,
    epsilon: float = 1e-5,
) -> tuple[Any, dict[str, Any]]:
    """Logits of a Transformer after some more tokens of the target.

    Parameters
    ----------
    parameters : mapping
        As `transformer` takes them.
    target_ids : integer array, shape (..., t)
        The tokens that come next; the first is the one that says where a target begins.
    cache : mapping
        From `transformer_cache`, or from the last step.
    target_mask : boolean array, shape (..., t), optional
        True at tokens, False at padding: for the new ones.
    heads, norm, slot, cross_slot, activation, positions, scale, epsilon
        As `transformer` is told; the same in all steps.

    Returns
    -------
    logits : array, shape (..., t, vocabulary of the target)
        Those that `transformer` gives for these tokens after all earlier ones.
    cache : dict
        For the next step. The one that was given can be used again, to go on differently.

    Raises
    ------
    ValueError, TypeError
        As `transformer`, and if rows of the mechanism cannot be found one after the other; the reason is given.
    """
    xp, dtype, parameters = open_door(parameters, target_ids, target_mask, cache["ids"])
    table, first = parameters["target"], cache["ids"].shape[-1]
    x = embedded(table, target_ids, positions=positions, scale=scale, name="target_ids", offset=first, xp=xp)
    options: dict[str, Any] = {"heads": heads, "norm": norm, "activation": activation, "epsilon": epsilon}
    slots = {"slot": slot, "cross_slot": cross_slot}
    x, cache = _stack_step(parameters["decoder"], x, target_ids, target_mask, cache, **slots, **options, xp=xp)
    return xp.astype(logits_of(x, parameters, table, xp=xp), dtype, copy=False), cache


def _stack_step(
    parameters, x, ids, mask, cache, *, heads, slot, cross_slot, norm, activation, epsilon, xp
) -> tuple[Any, dict[str, Any]]:
    """New tokens x (..., t, c) through all layers, and the cache with them."""
    layers = parameters["layers"]
    check_stack(parameters, {"x": x}, heads=heads, norm=norm, epsilon=epsilon)
    check_mask(mask, x, name="mask", of="the new ones", xp=xp)
    cache = {"ids": ids[..., :0], "mask": None, "layers": [None] * len(layers)} if cache is None else cache
    first = cache["ids"].shape[-1]
    mask = _masks(cache["mask"], cache["ids"], mask, ids, xp=xp)
    own, cross = (slots_of(s, len(layers), name=name) for s, name in ((slot, "slot"), (cross_slot, "cross_slot")))
    told: dict[str, Any] = {"heads": heads, "first": first, "xp": xp}
    kept: list[Mapping[str, Any]] = []
    for i, layer in enumerate(layers):
        asking = partial(step, layer["attention"], cache=cache["layers"][i], slot=own[i], mask=mask, **told)
        sublayers = {"attention": partial(_keeping, asking, kept)}
        if "cross_attention" in layer:
            of = {"cache": cache["memory"][i], "slot": cross[i], "mask": cache["memory_mask"]}
            sublayers["cross_attention"] = partial(ask_memory, layer["cross_attention"], **of, **told)
        feeding = {"parameters": layer["feed_forward"], "activation": activation, "xp": xp}
        sublayers["feed_forward"] = partial(feed_forward, **feeding)
        for name, f in sublayers.items():
            x = residual(f, x, layer, name, norm=norm, epsilon=epsilon, xp=xp)
    cache = {**cache, "ids": xp.concat([cache["ids"], ids], axis=-1), "mask": mask, "layers": kept}
    return finish(x, parameters, norm=norm, epsilon=epsilon, xp=xp), cache


def _keeping(f, kept, x):
    """What f makes of x; what it keeps goes behind the rest."""
    o, grown = f(x)
    kept.append(grown)
    return o


def _masks(before, ids_before, mask, ids, *, xp):
    """The mask of all tokens so far; None while there has been none."""
    if before is None and mask is None:
        return None
    parts = [
        xp.ones(tokens.shape, dtype=xp.bool, device=tokens.device)
        if part is None
        else xp.broadcast_to(part, tokens.shape)
        for part, tokens in ((before, ids_before), (mask, ids))
    ]
    return xp.concat(parts, axis=-1)
