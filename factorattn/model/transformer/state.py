"""Decoding with a state of constant size (Katharopoulos et al. 2020, section 3.4): sums over keys are all that is kept.

    S_i = S_(i-1) + psi_i v_i^T,   z_i = z_(i-1) + psi_i,   o_i = phi_i S_i / phi_i . z_i

Each mechanism says what the features phi and psi of a query and a key are, and at which position they stand.
"""

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from factorattn.attention.kernel.draw import directions_of
from factorattn.attention.kernel.engine import divide
from factorattn.attention.kernel.performer import EPSILON
from factorattn.factor.features import FEATURES
from factorattn.factor.generalized import generalized_features
from factorattn.primitives.causal_scan import empty_state, gather_keys
from factorattn.primitives.elementwise import elu_plus_one

__all__ = ["FEATURES_OF", "answers"]


def answers(
    state: tuple[Any, Any, Any] | None,
    q: Any,
    k: Any,
    v: Any,
    shown: Any | None,
    *,
    mechanism: str,
    options: Mapping[str, Any],
    first: int,
    xp: Any,
) -> tuple[Any, tuple[Any, Any, Any]]:
    """Take in new keys one by one, and answer the query beside each.

    Parameters
    ----------
    state : tuple of arrays, or None
        What `factorattn.primitives.causal_scan.gather_keys` keeps; None before the first key.
    q, k : array, shape (..., t, d)
    v : array, shape (..., t, e)
    shown : boolean array, shape (..., t, 1), optional
        False where a key is hidden.
    mechanism : str
        A name in `FEATURES_OF`.
    options : mapping
        Of the mechanism.
    first : int
        The position of the first of the new tokens.
    xp : namespace

    Returns
    -------
    o : array, shape (..., t, e)
    state : tuple of arrays
    """
    f, g, log_scale = FEATURES_OF[mechanism](q, k, first, xp=xp, **options)
    if shown is not None:
        g, v = xp.where(shown, g, 0.0), xp.where(shown, v, 0.0)
        log_scale = None if log_scale is None else xp.where(shown, log_scale, -xp.inf)
    state, rows = empty_state(g, v, xp=xp) if state is None else state, []
    for i in range(q.shape[-2]):
        at = (..., slice(i, i + 1), slice(None))
        state = gather_keys(state, g[at], v[at], None if log_scale is None else log_scale[at], xp=xp)
        outer, total, _ = state
        rows.append(divide(f[at] @ outer, f[at] @ total.mT, scaled=log_scale is not None, xp=xp))
    return xp.concat(rows, axis=-2), state


def _linear(q, k, first, *, xp):
    return elu_plus_one(q, xp=xp), elu_plus_one(k, xp=xp), None


def _cosformer(q, k, first, *, length, xp):
    if length < first + k.shape[-2]:
        raise ValueError(f"length must be at least that of queries and keys, {first + k.shape[-2]}, got {length}")

    def features(x):
        places = xp.arange(first, first + x.shape[-2], dtype=x.dtype, device=x.device)[:, None]
        angle = places * (math.pi / 2 / length)
        x = xp.maximum(x, xp.zeros_like(x))
        return xp.concat([x * xp.cos(angle), x * xp.sin(angle)], axis=-1)

    return features(q), features(k), None


def _performer(
    q, k, first, *, rng, rank=None, directions=None, length=None, features="positive", epsilon=None, scale=None, xp
):
    d = q.shape[-1]
    size = {"d": d} | ({} if rank is None else {"r": rank})
    omega = directions_of([], size, q, rng=rng, directions=directions, length=length, usual="orthogonal", xp=xp)
    root = (d**-0.5 if scale is None else scale) ** 0.5
    floor = EPSILON if epsilon is None else epsilon
    phi: Any = FEATURES.get(features) or partial(generalized_features, f=features, epsilon=floor)
    f, _ = phi(q * root, omega, xp=xp)
    g, log_scale = phi(k * root, omega, xp=xp)
    return f, g, log_scale


FEATURES_OF: dict[str, Callable] = {
    "linear_attention": _linear,
    "performer_attention": _performer,
    "cosformer_attention": _cosformer,
}
