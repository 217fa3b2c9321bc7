"""Softmax feature by feature: every feature of a row has its own weights over the keys.

    p_ijc = exp(a_ijc) / sum_l exp(a_ilc),   o_ic = sum_j p_ijc x_jc

Logits are triples (query, key, feature), so the definition holds n m c of them, and the streaming form one tile.
"""

from typing import Any

from factorattn.primitives.elementwise import elu
from factorattn.primitives.pairs import finite_top, softmax_weights

__all__ = ["ACTIVATIONS", "absorb", "attend_all", "empty", "finish"]


def _scaled_tanh(z: Any, ceiling: float, *, xp: Any) -> Any:
    return ceiling * xp.tanh(z / ceiling)


def _elu(z: Any, ceiling: float, *, xp: Any) -> Any:
    return elu(z, xp=xp)


# Each takes a hidden layer and a ceiling, which only the first one has.
ACTIVATIONS = {"tanh": _scaled_tanh, "elu": _elu}

State = tuple[Any, Any, Any]


def attend_all(logits: Any, x: Any, seen: Any | None, *, xp: Any) -> Any:
    """The definition: logits (..., n, m, c), values x (..., m, c) and pairs seen (..., n, m); returns (..., n, c)."""
    logits = logits if seen is None else xp.where(seen[..., None], logits, -xp.inf)
    weights, _ = softmax_weights(logits.mT, xp=xp)  # (..., n, c, m)
    products = weights * x.mT[..., None, :, :]
    return xp.sum(products if seen is None else xp.where(seen[..., None, :], products, 0.0), axis=-1)


def empty(shape: tuple[int, ...], *, like: Any, xp: Any) -> State:
    """Before any key: weighted values, sum and maximum, each of shape (..., n, c)."""
    return tuple(xp.full(shape, start, dtype=like.dtype, device=like.device) for start in (0.0, 0.0, -xp.inf))


def absorb(state: State, logits: Any, x: Any, seen: Any | None, *, xp: Any) -> State:
    """Let the queries of a tile see its keys: logits (..., rows, cols, c), values (..., cols, c)."""
    o, s, t = state
    logits = logits if seen is None else xp.where(seen[..., None], logits, -xp.inf)
    new = xp.maximum(t, xp.max(logits, axis=-2))  # (..., rows, c)
    shift = finite_top(new, xp=xp)
    w, fade = xp.exp(logits - shift[..., None, :]), xp.exp(t - shift)
    s = s * fade + xp.sum(w, axis=-2)
    w = w * x[..., None, :, :]  # hidden pairs have weight zero: what is not finite there must not make it NaN
    return o * fade + xp.sum(w if seen is None else xp.where(seen[..., None], w, 0.0), axis=-2), s, new


def finish(state: State, *, xp: Any) -> Any:
    """The weighted means (..., n, c); zeros where no key was seen."""
    o, s, _ = state
    return o / xp.where(s == 0, 1.0, s)
