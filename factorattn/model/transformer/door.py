"""What all doors of Transformers check: stacks of layers, tokens, masks and slots."""

from collections.abc import Mapping, Sequence
from typing import Any

from factorattn.contract import choose
from factorattn.model.transformer.slot import Slot
from factorattn.model.transformer.sublayer import NORMS
from factorattn.scalars import real, whole

__all__ = ["check_mask", "check_stack", "slots_of"]


def check_stack(
    parameters: Mapping[str, Any], tokens: Mapping[str, Any], *, heads: int, norm: str, epsilon: float
) -> None:
    """Hold a stack of layers against what it is told, and against tokens (..., n, c)."""
    choose(NORMS, norm=norm)
    if real(epsilon=epsilon) < 0:
        raise ValueError(f"epsilon must not be negative, got {epsilon}")
    layers = parameters["layers"]
    drawn = "pre" if "norm" in parameters else "post" if not layers or "feed_forward_norm" in layers[0] else "none"
    if norm != drawn and (layers or "pre" in (norm, drawn)):
        raise ValueError(f"norm must be {drawn!r}, for which the parameters were drawn, got {norm!r}")
    for name, x in tokens.items():
        c = layers[0]["feed_forward"]["in"]["weight"].shape[-1] if layers else tuple(x.shape)[-1]
        _check_tokens(x, c, heads, name=name)


def _check_tokens(x: Any, c: int, heads: int, *, name: str) -> None:
    if x.ndim < 2 or x.shape[-1] != c:
        raise ValueError(f"{name} must have shape (..., n, {c}), as wide as the parameters, got {tuple(x.shape)}")
    if whole(heads=heads) < 1 or c % heads:
        raise ValueError(f"heads must divide {c}, the size of a token, got {heads}")


def check_mask(mask: Any | None, x: Any, *, name: str, of: str, xp: Any) -> None:
    """Hold a mask (..., n) against its tokens (..., n, c)."""
    if mask is None:
        return
    if not xp.isdtype(mask.dtype, "bool"):
        raise TypeError(f"{name} must have dtype bool, True at tokens, got {mask.dtype}")
    if mask.ndim < 1 or mask.ndim > x.ndim - 1 or tuple(mask.shape)[-1] != x.shape[-2]:
        raise ValueError(
            f"{name} must have shape (..., {x.shape[-2]}), one entry a token of {of}, got {tuple(mask.shape)}"
        )


def slots_of(slot: Slot | Sequence[Slot] | None, layers: int, *, name: str) -> Sequence[Slot]:
    """A slot for each layer: the same for all, or one of each."""
    if whole(layers=layers) < 0:
        raise ValueError(f"layers must not be negative, got {layers}")
    slots = [slot or Slot()] * layers if slot is None or isinstance(slot, Slot) else list(slot)
    if len(slots) != layers:
        raise ValueError(f"{name} must be one slot, or one for each of {layers} layers, got {len(slots)}")
    return slots
