"""Buckets, clusters, sorted blocks: with one group of all, or a group each, they are exact attention."""

import numpy as np

from factorattn.attention import (
    clustered_attention,
    improved_clustered_attention,
    informer_attention,
    linear_attention,
    reformer_attention,
    routing_attention,
    sinkhorn_attention,
    softmax_attention,
)
from factorattn.testing.equivalences.edge import Equivalence

__all__ = ["EDGES"]


def _unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def _normed(x):
    """Layer norm without scale and bias, as routing attention has it."""
    x = x - x.mean(axis=-1, keepdims=True)
    return x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + 1e-6)


def _places(q):
    return np.arange(q.shape[-2])


def _others(q):
    return ~np.eye(q.shape[-2], dtype=bool)


def _blocks(q, size):
    """The block of each query and of each key, as a column and a row."""
    block = _places(q) // size
    return block[:, None], block[None, :]


def _one_bucket(q):
    """A rotation (1, d, 1) that puts all of |q| into bucket 0."""
    return np.eye(q.shape[-1])[None, :, :1]


def _rotations(q, rounds):
    return np.stack([q[0, 3 * z : 3 * z + 3].T for z in range(rounds)])  # (rounds, d, 3)


def _earlier_or_itself(q):
    """Every earlier token; the first one sees itself, since it sees no other."""
    mask = np.tri(q.shape[-2], k=-1, dtype=bool)
    mask[0, 0] = True
    return mask


def _halves(q):
    """Two opposite centroids (h, 2, d), and for each token whether it is nearer to the first: half of them are."""
    mu = _normed(q[:, :1])
    score = (mu @ _normed(q).swapaxes(-1, -2))[:, 0]
    first = np.argsort(np.argsort(-score, axis=-1), axis=-1) < q.shape[-2] // 2
    return np.concatenate([mu, -mu], axis=-2), first


def _order(blocks, shift):
    """Scores that bring block i - shift to place i, and no other one."""
    return np.where(np.roll(np.eye(blocks), shift, axis=0) > 0, 0.0, -np.inf)


def _thrice(q):
    return np.repeat(q[:, ::3], 3, axis=-2)


def _hashes(q, bits=64):
    return np.random.default_rng(0).standard_normal((bits, q.shape[-1]))


EDGES = (
    Equivalence(
        "reformer_attention",
        "softmax_attention",
        "all tokens share a bucket and a chunk",
        lambda q, k, v: reformer_attention(np.abs(q), v, _one_bucket(q), block=150),
        lambda q, k, v: softmax_attention(np.abs(q), _unit(np.abs(q)), v, scale=1.0, mask=_others(q)),
    ),
    Equivalence(
        "reformer_attention",
        "softmax_attention",
        "all tokens share a bucket and a chunk, and it is causal",
        lambda q, k, v: reformer_attention(np.abs(q), v, _one_bucket(q), block=200, causal=True),
        lambda q, k, v: softmax_attention(np.abs(q), _unit(np.abs(q)), v, scale=1.0, mask=_earlier_or_itself(q)),
    ),
    Equivalence(
        "reformer_attention",
        "softmax_attention",
        "all tokens share a bucket of many chunks",
        lambda q, k, v: reformer_attention(np.abs(q), v, _one_bucket(q), block=40),
        lambda q, k, v: softmax_attention(
            np.abs(q), _unit(np.abs(q)), v, scale=1.0, mask=_others(q) & ((np.subtract(*_blocks(q, 40)) | 1) == 1)
        ),
    ),
    Equivalence(
        "reformer_attention",
        "reformer_attention",
        "the rounds are copies of one round",
        lambda q, k, v: reformer_attention(q, v, np.repeat(_rotations(q, 1), 3, axis=0), block=16),
        lambda q, k, v: reformer_attention(q, v, _rotations(q, 1), block=16),
    ),
    Equivalence(
        "reformer_attention",
        "reformer_attention",
        "its rounds change places",
        lambda q, k, v: reformer_attention(q, v, _rotations(q, 3), block=16),
        lambda q, k, v: reformer_attention(q, v, _rotations(q, 3)[::-1], block=16),
    ),
    Equivalence(
        "reformer_attention",
        "reformer_attention",
        "queries are longer and the scale is smaller",
        lambda q, k, v: reformer_attention(4.0 * q, v, _rotations(q, 2), block=16),
        lambda q, k, v: reformer_attention(q, v, _rotations(q, 2), block=16, scale=4.0),
    ),
    Equivalence(
        "routing_attention",
        "softmax_attention",
        "one centroid takes all, and queries and keys are layer-normed",
        lambda q, k, v: routing_attention(q, k, v, k[:, :1]),
        lambda q, k, v: softmax_attention(_normed(q), _normed(k), v, scale=1.0),
    ),
    Equivalence(
        "routing_attention",
        "softmax_attention",
        "every centroid takes all, it is causal, and queries and keys are layer-normed",
        lambda q, k, v: routing_attention(q, k, v, k[:, :5], window=150, causal=True),
        lambda q, k, v: softmax_attention(_normed(q), _normed(k), v, scale=1.0, causal=True),
    ),
    Equivalence(
        "routing_attention",
        "softmax_attention",
        "two opposite centroids take half of the tokens each",
        lambda q, k, v: routing_attention(q, q, v, _halves(q)[0]),
        lambda q, k, v: softmax_attention(
            _normed(q), _normed(q), v, scale=1.0, mask=_halves(q)[1][..., :, None] == _halves(q)[1][..., None, :]
        ),
    ),
    Equivalence(
        "sinkhorn_attention",
        "softmax_attention",
        "there is one block",
        lambda q, k, v: sinkhorn_attention(q, k, v, block=150),
        lambda q, k, v: softmax_attention(q, k, v),
    ),
    Equivalence(
        "sinkhorn_attention",
        "softmax_attention",
        "there is one block, and it is causal",
        lambda q, k, v: sinkhorn_attention(q, k, v, block=200, causal=True),
        lambda q, k, v: softmax_attention(q, k, v, causal=True),
    ),
    Equivalence(
        "sinkhorn_attention",
        "softmax_attention",
        "blocks are sorted to where they are, and the mask is that of blocks",
        lambda q, k, v: sinkhorn_attention(q, k, v, _order(10, 0), block=15),
        lambda q, k, v: softmax_attention(q, k, v, mask=np.equal(*_blocks(q, 15))),
    ),
    Equivalence(
        "sinkhorn_attention",
        "softmax_attention",
        "each block is sorted to the place after its own, and the mask is that of a block and the one before",
        lambda q, k, v: sinkhorn_attention(q, k, v, _order(10, 1), block=15),
        lambda q, k, v: softmax_attention(q, k, v, mask=(np.subtract(*_blocks(q, 15)) % 10 | 1) == 1),
    ),
    Equivalence(
        "sinkhorn_attention",
        "softmax_attention",
        "SortCut keeps all blocks, and they are sorted to where they are",
        lambda q, k, v: sinkhorn_attention(q, k, v, _order(10, 0), block=15, cut=10, local="none"),
        lambda q, k, v: softmax_attention(q, k, v),
    ),
    Equivalence(
        "clustered_attention",
        "softmax_attention",
        "there are as many clusters as queries",
        lambda q, k, v: clustered_attention(q, k, v, _hashes(q), clusters=150),
        lambda q, k, v: softmax_attention(q, k, v),
    ),
    Equivalence(
        "clustered_attention",
        "softmax_attention",
        "the queries of a cluster are equal",
        lambda q, k, v: clustered_attention(_thrice(q), k, v, _hashes(q), clusters=50),
        lambda q, k, v: softmax_attention(_thrice(q), k, v),
    ),
    Equivalence(
        "clustered_attention",
        "softmax_attention",
        "there is one cluster, and each query is the mean query",
        lambda q, k, v: clustered_attention(q, k, v, _hashes(q), clusters=1),
        lambda q, k, v: softmax_attention(np.broadcast_to(q.mean(axis=-2, keepdims=True), q.shape), k, v),
    ),
    Equivalence(
        "improved_clustered_attention",
        "softmax_attention",
        "all keys are among the best",
        lambda q, k, v: improved_clustered_attention(q, k, v, _hashes(q), clusters=7, top=150),
        lambda q, k, v: softmax_attention(q, k, v),
    ),
    Equivalence(
        "improved_clustered_attention",
        "softmax_attention",
        "there are as many clusters as queries",
        lambda q, k, v: improved_clustered_attention(q, k, v, _hashes(q), clusters=150, top=9),
        lambda q, k, v: softmax_attention(q, k, v),
    ),
    Equivalence(
        "improved_clustered_attention",
        "clustered_attention",
        "one key is exact, since its weight is then that of the cluster",
        lambda q, k, v: improved_clustered_attention(q, k, v, _hashes(q), clusters=7, top=1),
        lambda q, k, v: clustered_attention(q, k, v, _hashes(q), clusters=7),
    ),
    Equivalence(
        "informer_attention",
        "softmax_attention",
        "as many queries attend as there are",
        lambda q, k, v: informer_attention(q, k, v, queries=q.shape[-2], rng=0),
        lambda q, k, v: softmax_attention(q, k, v),
    ),
    Equivalence(
        "informer_attention",
        "softmax_attention",
        "as many queries attend as there are, with causality",
        lambda q, k, v: informer_attention(q, k, v, queries=q.shape[-2], rng=0, causal=True),
        lambda q, k, v: softmax_attention(q, k, v, causal=True),
    ),
    Equivalence(
        "informer_attention",
        "softmax_attention",
        "all keys are the same, whoever attends",
        lambda q, k, v: informer_attention(q, np.broadcast_to(k[:, :1], k.shape), v, queries=10, rng=0),
        lambda q, k, v: softmax_attention(q, np.broadcast_to(k[:, :1], k.shape), v),
    ),
    Equivalence(
        "informer_attention",
        "linear_attention",
        "all keys are the same, with causality",
        lambda q, k, v: informer_attention(q, np.broadcast_to(k[:, :1], k.shape), v, queries=10, rng=0, causal=True),
        lambda q, k, v: linear_attention(q, np.broadcast_to(k[:, :1], k.shape), v, causal=True),
    ),
)
