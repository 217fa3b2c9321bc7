"""Equivalences of the family `sequences`."""

import numpy as np

from factorattn.attention import (
    alternating_co_attention,
    distinctive_attention,
    parallel_co_attention,
    self_attention,
    softmax_attention,
    structured_attention,
)
from factorattn.score import general
from factorattn.testing.equivalences.edge import Equivalence

__all__ = ["EDGES"]


def _layers(k):
    """Layers of queries and keys (h, 6, d) and of values (h, 5, d), from the keys (h, n, d)."""
    return k[:, :6], k[:, 6:12], k[:, 12:17]


def _by_scores(scores, x):
    """The means of x under the softmax of scores, which are given to softmax attention as a bias."""
    nothing = np.zeros((scores.shape[-2], 1)), np.zeros((scores.shape[-1], 1))
    return softmax_attention(*nothing, x, bias=scores)


def _joined(k, v):
    """Keys and values as one sequence (h, m, d + e), and the layers that take it apart."""
    d, e = k.shape[-1], v.shape[-1]
    both = np.eye(d + e)
    return np.concatenate([k, v], axis=-1), both[:d], both[d:]


def _each_alone(q, k):
    """Two sequences that are attended to by one hop each."""
    image = structured_attention(q, k[:, :6], k[:, 12:13, :6])
    question = structured_attention(k, k[:, 6:12], k[:, 13:14, :6])
    return np.concatenate([image, question], axis=-2)


def _parallel(q, k, w_b):
    return parallel_co_attention(q, k, w_b, k[:, :6], k[:, 6:12], k[:, 12, :6], k[:, 13, :6])


def _alternating(q, k, guide, question):
    return alternating_co_attention(
        q, question, k[:, :6], guide, k[:, 12, :6], k[:, 6:12], guide, k[:, 13, :6], k[:, 14:20], k[:, 20, :6]
    )


def _means(q, k):
    return np.stack([q.mean(axis=-2), k.mean(axis=-2)], axis=-2)


EDGES: tuple[Equivalence, ...] = (
    Equivalence(
        "self_attention",
        "softmax_attention",
        "all of its layers are the identity",
        lambda q, k, v: self_attention(q, np.eye(8), np.eye(8), np.eye(8)),
        lambda q, k, v: softmax_attention(q, q, q),
    ),
    Equivalence(
        "self_attention",
        "softmax_attention",
        "queries, keys and values are its projections",
        lambda q, k, v: self_attention(q, *_layers(k), causal=True),
        lambda q, k, v: softmax_attention(*(q @ w.mT for w in _layers(k)), causal=True),
    ),
    Equivalence(
        "self_attention",
        "general",
        "the score has the matrix W_q^T W_k, of rank d",
        lambda q, k, v: self_attention(q, *_layers(k)),
        lambda q, k, v: _by_scores(general(q, q, _layers(k)[0].mT @ _layers(k)[1] / 6**0.5), q @ _layers(k)[2].mT),
    ),
    Equivalence(
        "self_attention",
        "mean of the values",
        "nothing is asked",
        lambda q, k, v: self_attention(q, np.zeros((6, 8)), *_layers(k)[1:]),
        lambda q, k, v: np.broadcast_to((q @ _layers(k)[2].mT).mean(axis=-2, keepdims=True), v.shape),
    ),
    Equivalence(
        "distinctive_attention",
        "self_attention",
        "the two sequences are one",
        lambda q, k, v: distinctive_attention(q, q, *_layers(k), form="bilinear"),
        lambda q, k, v: self_attention(q, *_layers(k)),
    ),
    Equivalence(
        "distinctive_attention",
        "softmax_attention",
        "the other sequence holds keys and values side by side",
        lambda q, k, v: distinctive_attention(q, _joined(k, v)[0], np.eye(8), *_joined(k, v)[1:]),
        softmax_attention,
    ),
    Equivalence(
        "distinctive_attention",
        "identity",
        "the other sequence is one row",
        lambda q, k, v: distinctive_attention(q, k[:, :1], *_layers(k)),
        lambda q, k, v: np.broadcast_to(k[:, :1] @ _layers(k)[2].mT, v.shape),
    ),
    Equivalence(
        "parallel_co_attention",
        "structured_attention",
        "there is no affinity, and one hop for each sequence",
        lambda q, k, v: _parallel(q, k, np.zeros((8, 8))),
        lambda q, k, v: _each_alone(q, k),
    ),
    Equivalence(
        "parallel_co_attention",
        "mean of the values",
        "nothing is scored",
        lambda q, k, v: parallel_co_attention(q, k, k[:, :8], k[:, :6], k[:, 6:12], np.zeros(6), np.zeros(6)),
        lambda q, k, v: _means(q, k),
    ),
    Equivalence(
        "alternating_co_attention",
        "structured_attention",
        "the guides have no say, and there is one hop for each sequence",
        lambda q, k, v: _alternating(q, k, np.zeros((6, 8)), k),
        lambda q, k, v: _each_alone(q, k),
    ),
    Equivalence(
        "alternating_co_attention",
        "parallel_co_attention",
        "there are neither guides nor affinities",
        lambda q, k, v: _alternating(q, k, np.zeros((6, 8)), k),
        lambda q, k, v: _parallel(q, k, np.zeros((8, 8))),
    ),
    Equivalence(
        "alternating_co_attention",
        "softmax_attention",
        "the question is one word, which guides the image",
        lambda q, k, v: _alternating(q, k, k[:, 21:27], k[:, :1])[:, :1],
        lambda q, k, v: softmax_attention(
            k[:, 12:13, :6], np.tanh(q @ k[:, :6].mT + k[:, :1] @ k[:, 21:27].mT), q, scale=1.0
        ),
    ),
)
