"""Causal attention of the infinite-former (Martins, Marinho and Martins 2022): a recent past, and a long one.

    o_i = softmax attention to the tokens up to i of its segment + E V(t), t ~ N(mu_i, sigma_i^2)

where V is what was before the segment, as a function of time with r coefficients: B_s = extend_memory(B_(s-1), x_s)
after segment s, its keys B W_k' and values B W_v'. B does not grow: time and memory are linear in the length.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from factorattn.attention import infinite_former_attention, softmax_attention
from factorattn.attention.memory import attended_densities, extend_memory, kl_regulariser
from factorattn.interpret.gradient import stop_gradient
from factorattn.model.layers import join_heads, linear, split_heads

__all__ = ["LongTerm", "long_term_attention"]


@dataclass(frozen=True)
class LongTerm:
    """Sizes of the memory.

    Attributes
    ----------
    segment : int
        Tokens that attend to each other; then the memory takes them in.
    rank : int
        Number r of basis functions.
    samples : int
        Where the old function of time is sampled when new values are taken in.
    contraction : float
        The share of the time that the old function keeps.
    sigma_0 : float
        Deviation of the densities that others are held against in training.
    """

    segment: int = 256
    rank: int = 64
    samples: int = 256
    contraction: float = 0.5
    sigma_0: float = 0.05


def long_term_attention(
    parameters: Mapping[str, Any], x: Any, *, heads: int, memory: LongTerm, xp: Any
) -> tuple[Any, Any]:
    """What tokens x (..., n, c) make of each other and of what was before: (..., n, c), and how wide the densities are.

    Parameters
    ----------
    parameters : mapping
        ``query``, ``key``, ``value``, ``output``: weight (c, c) and bias (c,). ``memory_key``, ``memory_value``: weight
        (c, c). ``mu``, ``sigma``: (heads, rank).
    x : array, shape (..., n, c)
    heads : int
    memory : LongTerm
    xp : namespace

    Returns
    -------
    o : array, shape (..., n, c)
    divergence : array, shape ()
        Mean over queries of the sum over heads of KL(N(mu, sigma^2) || N(mu, sigma_0^2)); zero where there is no past.

    Notes
    -----
    No gradient goes through a memory into what it was made of before, as in the authors' code. Places are sampled
    evenly: these are no sticky memories.
    """
    n, w = x.shape[-2], memory.segment
    q, k, v = (split_heads(linear(x, parameters[name], xp=xp), heads, xp=xp) for name in ("query", "key", "value"))
    whole = n // w * w
    pieces = [slice(0, whole)] * (whole > 0) + [slice(whole, n)] * (whole < n)
    recent = [_recent(*(_segments(y[..., piece, :], w, xp=xp) for y in (q, k, v)), xp=xp) for piece in pieces]
    o = xp.concat(recent, axis=-2)  # (..., h, n, d)
    if n <= w:
        return linear(join_heads(o, xp=xp), parameters["output"], xp=xp), xp.zeros((), dtype=x.dtype, device=x.device)
    past = _memories(x, memory, xp=xp)  # (..., segments - 1, r, c): of each segment but the last
    k, v = (
        xp.moveaxis(split_heads(linear(past, parameters[name], xp=xp), heads, xp=xp), -3, -4)
        for name in ("memory_key", "memory_value")
    )  # (..., h, segments - 1, r, d)
    w_mu, w_sigma = (parameters[name][:, None, :] for name in ("mu", "sigma"))  # (h, 1, r)
    far, divergences = [], []
    later = [slice(w, whole)] * (whole > w) + [slice(whole, n)] * (whole < n)
    for piece in later:
        these = slice(piece.start // w - 1, -(-piece.stop // w) - 1)
        asking = _segments(q[..., piece, :], w, xp=xp)  # (..., h, segments, w, d)
        given = (asking, k[..., these, :, :])
        far.append(_joined(infinite_former_attention(*given, v[..., these, :, :], w_mu, w_sigma), xp=xp))
        _, sigma = attended_densities(*given, w_mu, w_sigma)  # (..., h, segments, w)
        divergences.append(xp.sum(kl_regulariser(sigma, memory.sigma_0)))
    far = [xp.zeros_like(o[..., :w, :]), *far]  # the first segment has nothing before it
    o = o + xp.concat(far, axis=-2)
    queries = max(1, math.prod(x.shape[:-1]))
    return linear(join_heads(o, xp=xp), parameters["output"], xp=xp), sum(divergences) / queries


def _recent(q, k, v, *, xp):
    """Causal attention within each segment: (..., segments, w, d) to (..., n, d)."""
    return _joined(softmax_attention(q, k, v, causal=True, form="dense"), xp=xp)


def _segments(x, w, *, xp):
    """Rows (..., n, d) in segments of w, or in one that is shorter: (..., segments, w, d)."""
    n = x.shape[-2]
    w = min(w, n)
    return xp.reshape(x, (*x.shape[:-2], n // w, w, x.shape[-1]))


def _joined(x, *, xp):
    """Segments (..., segments, w, d) one after the other: (..., n, d)."""
    return xp.reshape(x, (*x.shape[:-3], x.shape[-3] * x.shape[-2], x.shape[-1]))


def _memories(x, memory, *, xp):
    """Coefficients after every segment but the last: (..., segments - 1, r, c)."""
    found, b = [], None
    for start in range(0, x.shape[-2] - memory.segment, memory.segment):
        new = x[..., start : start + memory.segment, :]
        samples = None if b is None else memory.samples
        b = extend_memory(b, new, rank=memory.rank, samples=samples, contraction=memory.contraction)
        found.append(b)
        b = stop_gradient(b)
    return xp.stack(found, axis=-3)
