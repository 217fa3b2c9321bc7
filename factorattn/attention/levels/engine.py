"""Pooling by additive scores: a sequence becomes r vectors, and no query comes from outside.

    k_j = tanh(W_1 h_j + b_1),   p_ij = softmax over j of w_i . k_j,   o_i = sum_j p_ij h_j

It is softmax attention of learned queries w_i to keys k_j made here, and values h_j; so streaming softmax serves it.
"""

from typing import Any

import numpy as np
from array_api_compat import array_namespace, is_array_api_obj

from factorattn.primitives.pairs import masked_logits, softmax_weights, weigh
from factorattn.primitives.softmax_attend import absorb, batch_of, empty, finish
from factorattn.primitives.tiles import scan_tiles

__all__ = ["POOLS", "checked_mask"]

TILE = 1024  # positions a tile: what is held of the keys is a tile of them


def checked_mask(shape: tuple[int, ...], *, xp: Any, **argument: Any) -> Any | None:
    """A mask by name, held against the shape to which it must broadcast; returned with that many axes at least."""
    ((name, mask),) = argument.items()
    if mask is None:
        return None
    if not is_array_api_obj(mask) or array_namespace(mask) is not xp:
        raise TypeError(f"{name} must be an array of the same library as the inputs, got {type(mask).__name__}")
    if not xp.isdtype(mask.dtype, "bool"):
        raise TypeError(f"{name} must have dtype bool, got {mask.dtype}")
    try:
        fits = np.broadcast_shapes(tuple(mask.shape)[-len(shape) :], shape) == shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(f"{name} must broadcast to (..., {', '.join(map(str, shape))}), got {tuple(mask.shape)}")
    return xp.broadcast_to(mask, shape) if mask.ndim < len(shape) else mask


def keys_of(h: Any, w_1: Any, b_1: Any | None, *, xp: Any) -> Any:
    """tanh(W_1 h_j + b_1) for every row h_j of h (..., n, c): an array (..., n, a)."""
    keys = h @ w_1.mT  # (..., n, a)
    return xp.tanh(keys if b_1 is None else keys + b_1[..., None, :])


def _dense(h, w_1, b_1, w_2, mask, *, xp):
    """The definition: all hidden layers and all weights."""
    logits = masked_logits(w_2, keys_of(h, w_1, b_1, xp=xp), softcap=None, bias=None, seen=mask, xp=xp)  # (..., r, n)
    weights, lse = softmax_weights(logits, xp=xp)
    return weigh(weights, h, guarded=mask is not None, xp=xp), lse


def _tiled(h, w_1, b_1, w_2, mask, *, xp):
    """The same tile by tile: the hidden layer of a tile is forgotten before the next."""

    def step(state, tile):
        rows = h[..., tile, :]
        keys = keys_of(rows, w_1, b_1, xp=xp)  # (..., tile, a)
        seen = mask if mask is None or mask.shape[-1] == 1 else mask[..., tile]
        return absorb(state, w_2, keys, rows, softcap=None, bias=None, seen=seen, xp=xp), None

    bias = None if b_1 is None else b_1[..., None, :]
    state = empty(batch_of(h, w_1, bias, w_2, mask), w_2.shape[-2], h, xp=xp)
    state, _ = scan_tiles(step, state, 0, h.shape[-2], TILE, xp=xp)
    return finish(state, xp=xp)


# Each takes h (..., n, c), w_1 (..., a, c), b_1 (..., a) or None, w_2 (..., r, a) and a mask (..., r, n) or None, and
# returns o (..., r, c) and the log-sum-exp of the logits (..., r, 1).
POOLS = {"dense": _dense, "tiled": _tiled}
