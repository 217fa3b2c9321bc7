"""Thin factors at full rank are no approximation; and the ways to write one and the same of them."""

import numpy as np

from factorattn.attention import linformer_attention, lowrank_attention, nystrom_attention, softmax_attention
from factorattn.factor import strided_convolution
from factorattn.testing.equivalences.edge import Equivalence

__all__ = ["EDGES"]


def _exact(q, k, v):
    return softmax_attention(q, k, v, form="dense")


def _length(v):
    return v.shape[-2]


def _maps(v):
    """Projections E and F to ten mixtures."""
    return np.random.default_rng(2).standard_normal((2, 10, _length(v))) / _length(v) ** 0.5


def _heads(maps, v):
    """The same projections for every head."""
    return (np.broadcast_to(x, (*v.shape[:-2], *x.shape)) for x in maps)


def _few(*arrays):
    """The first four positions: few enough for a matrix of weights that is easily inverted."""
    return (x[..., :4, :] for x in arrays)


def _some(v):
    """Which keys there are, one in three hidden."""
    return np.arange(_length(v)) % 3 > 0


EDGES = (
    Equivalence(
        "linformer_attention",
        "softmax_attention",
        "E and F are the identity",
        lambda q, k, v: linformer_attention(q, k, v, np.eye(_length(v))),
        _exact,
    ),
    Equivalence(
        "linformer_attention",
        "softmax_attention",
        "every segment is one key",
        lambda q, k, v: linformer_attention(q, k, v, rank=_length(v)),
        _exact,
    ),
    Equivalence(
        "linformer_attention",
        "softmax_attention",
        "E and F are a permutation",
        lambda q, k, v: linformer_attention(q, k, v, np.eye(_length(v))[::-1].copy()),
        _exact,
    ),
    Equivalence(
        "linformer_attention",
        "softmax_attention",
        "E and F pick keys",
        lambda q, k, v: linformer_attention(q, k, v, np.eye(_length(v))[_some(v)]),
        lambda q, k, v: softmax_attention(q, k, v, mask=_some(v)),
    ),
    Equivalence(
        "linformer_attention",
        "mean of the values",
        "there is one segment",
        lambda q, k, v: linformer_attention(q, k, v, rank=1),
        lambda q, k, v: np.broadcast_to(v.mean(axis=-2, keepdims=True), v.shape),
    ),
    Equivalence(
        "linformer_attention",
        "linformer_attention",
        "keys and values share a projection",
        lambda q, k, v: linformer_attention(q, k, v, _maps(v)[0]),
        lambda q, k, v: linformer_attention(q, k, v, _maps(v)[0], _maps(v)[0]),
    ),
    Equivalence(
        "linformer_attention",
        "linformer_attention",
        "heads share their projections",
        lambda q, k, v: linformer_attention(q, k, v, *_maps(v)),
        lambda q, k, v: linformer_attention(q, k, v, *_heads(_maps(v), v)),
    ),
    Equivalence(
        "linformer_attention",
        "linformer_attention",
        "a convolution weighs its run evenly",
        lambda q, k, v: linformer_attention(q, k, v, strided_convolution(np.full(2, 0.5), _length(v), xp=np)),
        lambda q, k, v: linformer_attention(q, k, v, rank=_length(v) // 2),
    ),
    Equivalence(
        "linformer_attention",
        "linformer_attention",
        "hidden keys have no column",
        lambda q, k, v: linformer_attention(q, k, v, *_maps(v), mask=_some(v)),
        lambda q, k, v: linformer_attention(q, k[..., _some(v), :], v[..., _some(v), :], *_maps(v)[..., _some(v)]),
    ),
    Equivalence(
        "lowrank_attention",
        "softmax_attention",
        "all singular values are kept",
        lambda q, k, v: lowrank_attention(q, k, v, rank=_length(v)),
        _exact,
    ),
    Equivalence(
        "lowrank_attention",
        "softmax_attention",
        "queries are all alike, and one singular value is kept",
        lambda q, k, v: lowrank_attention(0 * q + q[..., :1, :], k, v, rank=1),
        lambda q, k, v: softmax_attention(0 * q + q[..., :1, :], k, v),
    ),
    Equivalence(
        "nystrom_attention",
        "softmax_attention",
        "every position is a landmark, and the inverse is exact",
        lambda q, k, v: nystrom_attention(*_few(k, k, v), rank=4, inverse="exact", scale=1.0),
        lambda q, k, v: softmax_attention(*_few(k, k, v), scale=1.0),
    ),
    Equivalence(
        "nystrom_attention",
        "softmax_attention",
        "the mean query is the only landmark",
        lambda q, k, v: nystrom_attention(q, k, v, rank=1),
        lambda q, k, v: softmax_attention(0 * q + q.mean(axis=-2, keepdims=True), k, v),
    ),
    Equivalence(
        "nystrom_attention",
        "mean of the values",
        "queries are zero",
        lambda q, k, v: nystrom_attention(0 * q, k, v, rank=4),
        lambda q, k, v: np.broadcast_to(v.mean(axis=-2, keepdims=True), v.shape),
    ),
    Equivalence(
        "nystrom_attention",
        "nystrom_attention",
        "the iteration has steps enough for the exact inverse",
        lambda q, k, v: nystrom_attention(k, k, v, rank=4, scale=30.0, iterations=30),
        lambda q, k, v: nystrom_attention(k, k, v, rank=4, scale=30.0, inverse="exact"),
    ),
    Equivalence(
        "nystrom_attention",
        "nystrom_attention",
        "the convolution is a single one, and adds the values",
        lambda q, k, v: nystrom_attention(q, k, v, np.array([0.0, 1.0, 0.0]), rank=10),
        lambda q, k, v: nystrom_attention(q, k, v, rank=10) + v,
    ),
)
