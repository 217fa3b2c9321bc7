"""Equivalences of the family `memory`."""

from typing import Any

import numpy as np

from factorattn.attention import (
    compressive_attention,
    continuous_softmax_attention,
    continuous_sparsemax_attention,
    infinite_former_attention,
    linformer_attention,
    persistent_attention,
    softmax_attention,
    transformer_xl_attention,
)
from factorattn.attention.memory.compression import compress, remember
from factorattn.attention.memory.long_term import attended_densities, extend_memory
from factorattn.factor.radial import gaussian_means, radial_grid
from factorattn.factor.ridge import sequence_operator
from factorattn.testing.equivalences.edge import Equivalence

__all__ = ["EDGES"]

WIDTHS, RIDGE, RANK = (0.1, 0.3), 0.5, 16
PAST = 100  # keys and values of the first so many positions stand for a memory


def _nowhere(q) -> tuple[Any, Any]:
    """Projections of no sinusoids, sines and cosines: positions do not matter."""
    nothing = np.zeros((0, q.shape[-1]))
    return nothing, nothing


def _waves(k) -> tuple[Any, Any]:
    """Projections of sinusoids that are as good as any: of three waves."""
    return k[:, :3], k[:, 3:6]


def _split(x):
    return x[:, PAST:], x[:, :PAST]


def _segments(q, k, v):
    """A sequence by segments, each with all that was before it as its memory."""
    outs = []
    for start in range(0, q.shape[-2], 40):
        own, past = slice(start, start + 40), slice(0, start)
        memory = k[:, past], v[:, past]
        outs.append(transformer_xl_attention(q[:, own], k[:, own], v[:, own], *_waves(k), *memory, causal=True))
    return np.concatenate(outs, axis=-2)


def _by_bias(q, k, v):
    """The position term of Transformer-XL as a table of biases."""
    n, (w_sin, w_cos) = q.shape[-2], _waves(k)
    distance = np.arange(n)[:, None] - np.arange(n)
    angles = distance[:, :, None] / 10000 ** (np.arange(3) / 3)
    r = np.sin(angles) @ w_sin[:, None] + np.cos(angles) @ w_cos[:, None]  # (h, n, n, d)
    bias = np.sum(q[:, :, None, :] * r, axis=-1) / np.sqrt(q.shape[-1])
    return softmax_attention(q, k, v, bias=bias)


def _kept(q, k, v, *, rate, room, how="mean"):
    """The last segment, after all earlier ones went through both memories."""
    memory, compressed = remember(
        np.concatenate([k, v], axis=-1)[:, :PAST], memory_length=room, compressed_length=PAST, rate=rate, how=how
    )
    d = k.shape[-1]
    pasts = [x for past in (memory, compressed) for x in (past[..., :d], past[..., d:])]
    (q, _), (last_k, _), (last_v, _) = _split(q), _split(k), _split(v)
    return compressive_attention(q, last_k, last_v, *_waves(k), *pasts, causal=True)


def _remembered(q, k, v):
    """The last segment, with all that was before it as its memory."""
    (q, _), (k_last, k_past), (v_last, v_past) = _split(q), _split(k), _split(v)
    return transformer_xl_attention(q, k_last, v_last, *_waves(k), k_past, v_past, causal=True)


def _hidden_segment(q, k, v):
    """Means of blocks of five as compressed memory, and nothing of the segment."""
    blocks = q.shape[-2] // 5
    mask = (np.arange(blocks + q.shape[-2]) < blocks)[None, :]
    return compressive_attention(
        q, k, v, *_nowhere(q), k_compressed=compress(k, 5), v_compressed=compress(v, 5), mask=mask
    )


def _places(q):
    """Locations, most of them in 0 .. 1, and scales of densities."""
    return 0.5 + 0.3 * q[..., 0], 0.2 * q[..., 1]


def _continuous(density, q, v, scale):
    mu, sigma = _places(q)
    return density(mu, scale * sigma, v, rank=RANK, widths=WIDTHS, ridge=RIDGE)


def _signal(q, v):
    """The fitted function, at the means of the densities."""
    mu, _ = _places(q)
    b = sequence_operator(v.shape[-2], RANK, WIDTHS, RIDGE).T @ v
    return gaussian_means(mu, 0 * mu, *radial_grid(RANK, WIDTHS), xp=np) @ b


def _wider_bells(q, v, sigma, width):
    mu, _ = _places(q)
    g = sequence_operator(v.shape[-2], RANK, WIDTHS, RIDGE)
    return continuous_softmax_attention(mu, np.full_like(mu, sigma), v, g, widths=width)


def _long_past(q, k, v):
    """Keys and values of one memory of the past: projections of its coefficients."""
    b = extend_memory(None, np.concatenate([k, v], axis=-1), rank=RANK, widths=WIDTHS, ridge=RIDGE)
    d = k.shape[-1]
    return b[..., :d], b[..., d:], k[:, :RANK, 0], k[:, :RANK, 1]


def _read(q, k, v):
    b_k, b_v, w_mu, w_sigma = _long_past(q, k, v)
    return infinite_former_attention(q, b_k, b_v, w_mu, w_sigma, widths=WIDTHS)


def _read_as_continuous(q, k, v):
    b_k, _, w_mu, w_sigma = _long_past(q, k, v)
    mu, sigma = attended_densities(q, b_k, w_mu, w_sigma)
    return continuous_softmax_attention(mu, sigma, v, rank=RANK, widths=WIDTHS, ridge=RIDGE)


EDGES: tuple[Equivalence, ...] = (
    Equivalence(
        "persistent_attention",
        "softmax_attention",
        "nothing is learned",
        lambda q, k, v: persistent_attention(q, k, v, causal=True),
        lambda q, k, v: softmax_attention(q, k, v, causal=True),
    ),
    Equivalence(
        "persistent_attention",
        "softmax_attention",
        "the learned vectors are keys like others",
        lambda q, k, v: persistent_attention(q, k[:, PAST:], v[:, PAST:], k[:, :PAST], v[:, :PAST]),
        lambda q, k, v: softmax_attention(q, k, v),
    ),
    Equivalence(
        "persistent_attention",
        "softmax_attention",
        "the whole context is hidden",
        lambda q, k, v: persistent_attention(q, k, v, k[:, :9], v[:, :9], mask=np.zeros((1, 1), dtype=bool)),
        lambda q, k, v: softmax_attention(q, k[:, :9], v[:, :9]),
    ),
    Equivalence(
        "transformer_xl_attention",
        "softmax_attention",
        "positions do not matter and nothing is remembered",
        lambda q, k, v: transformer_xl_attention(q, k, v, *_nowhere(q), causal=True),
        lambda q, k, v: softmax_attention(q, k, v, causal=True),
    ),
    Equivalence(
        "transformer_xl_attention",
        "softmax_attention",
        "positions do not matter and the memory holds the keys before the segment",
        lambda q, k, v: transformer_xl_attention(
            q[:, PAST:], k[:, PAST:], v[:, PAST:], *_nowhere(q), k[:, :PAST], v[:, :PAST], causal=True
        ),
        lambda q, k, v: softmax_attention(q[:, PAST:], k, v, causal=True),
    ),
    Equivalence(
        "transformer_xl_attention",
        "softmax_attention",
        "positions do not matter and u is added to the queries",
        lambda q, k, v: transformer_xl_attention(q, k, v, *_nowhere(q), u=k[:, 0]),
        lambda q, k, v: softmax_attention(q + k[:, :1], k, v),
    ),
    Equivalence(
        "transformer_xl_attention",
        "softmax_attention",
        "what is asked of distances is a bias",
        lambda q, k, v: transformer_xl_attention(q, k, v, *_waves(k)),
        _by_bias,
    ),
    Equivalence(
        "transformer_xl_attention",
        "transformer_xl_attention",
        "a sequence is cut into segments that remember everything",
        _segments,
        lambda q, k, v: transformer_xl_attention(q, k, v, *_waves(k), causal=True),
    ),
    Equivalence(
        "compressive_attention",
        "transformer_xl_attention",
        "nothing has been compressed yet",
        lambda q, k, v: _kept(q, k, v, rate=2, room=PAST),
        _remembered,
    ),
    Equivalence(
        "compressive_attention",
        "transformer_xl_attention",
        "the rate is one",
        lambda q, k, v: _kept(q, k, v, rate=1, room=30),
        _remembered,
    ),
    Equivalence(
        "compressive_attention",
        "linformer_attention",
        "all there is to see are means of blocks, without positions",
        _hidden_segment,
        lambda q, k, v: linformer_attention(q, k, v, rank=q.shape[-2] // 5),
    ),
    Equivalence(
        "continuous_softmax_attention",
        "value of the fitted function at mu",
        "sigma is zero",
        lambda q, k, v: _continuous(continuous_softmax_attention, q, v, 0.0),
        lambda q, k, v: _signal(q, v),
    ),
    Equivalence(
        "continuous_sparsemax_attention",
        "value of the fitted function at mu",
        "sigma is zero",
        lambda q, k, v: _continuous(continuous_sparsemax_attention, q, v, 0.0),
        lambda q, k, v: _signal(q, v),
    ),
    Equivalence(
        "continuous_sparsemax_attention",
        "continuous_softmax_attention",
        "sigma is so small that both densities are a point",
        lambda q, k, v: _continuous(continuous_sparsemax_attention, q, v, 1e-16),
        lambda q, k, v: _continuous(continuous_softmax_attention, q, v, 1e-16),
    ),
    Equivalence(
        "continuous_softmax_attention",
        "continuous_softmax_attention",
        "sigma is all in the density or all in the basis functions",
        lambda q, k, v: _wider_bells(q, v, 0.4, 0.3),
        lambda q, k, v: _wider_bells(q, v, 0.0, 0.5),
    ),
    Equivalence(
        "infinite_former_attention",
        "continuous_softmax_attention",
        "the densities are those that its scores choose",
        _read,
        _read_as_continuous,
    ),
)
