"""Equivalences of the family `levels`."""

import numpy as np

from factorattn.attention import (
    area_attention,
    hierarchical_attention,
    multidimensional_attention,
    multirepresentational_attention,
    softmax_attention,
    source2token_attention,
    structured_attention,
)
from factorattn.score import additive
from factorattn.testing.equivalences.edge import Equivalence

__all__ = ["EDGES"]


def _layers(k):
    """A hidden layer (h, 6, d) and scoring vectors (h, 3, 6), from the keys (h, n, d)."""
    return k[:, :6], k[:, 6:9, :6]


def _neighbours(k, v):
    """Keys and values of all items and of all pairs of neighbours."""
    keys = np.concatenate([k, (k[:, :-1] + k[:, 1:]) / 2], axis=-2)
    return keys, np.concatenate([v, v[:, :-1] + v[:, 1:]], axis=-2)


def _single_hop(x, w_1, w_2):
    return structured_attention(x, w_1, w_2[:, None, :])[:, 0]


def _as_features(w, width):
    """A scoring vector (h, a) as a layer (h, width, a) that gives the same logit to every feature."""
    return np.broadcast_to(w[:, None, :], (w.shape[0], width, w.shape[-1]))


def _by_scores(scores, x):
    """The means of x under the softmax of scores, which are given to softmax attention as a bias."""
    nothing = np.zeros((scores.shape[-2], 1)), np.zeros((scores.shape[-1], 1))
    return softmax_attention(*nothing, x, bias=scores)


def _feature_by_feature(x, w_1):
    """The diagonal of what unit vectors get that ask for one feature each."""
    unit = np.eye(x.shape[-1])
    rows = softmax_attention(unit, x @ w_1.mT, x, scale=1.0)  # (h, c, c)
    return np.broadcast_to(np.diagonal(rows, axis1=-2, axis2=-1)[:, None, :], x.shape)


EDGES: tuple[Equivalence, ...] = (
    Equivalence(
        "area_attention",
        "softmax_attention",
        "no area holds more than one item",
        lambda q, k, v: area_attention(q, k, v, width=1),
        softmax_attention,
    ),
    Equivalence(
        "area_attention",
        "softmax_attention",
        "the means and sums of all pairs of neighbours are keys and values, too",
        lambda q, k, v: area_attention(q, k, v, width=2),
        lambda q, k, v: softmax_attention(q, *_neighbours(k, v)),
    ),
    Equivalence(
        "area_attention",
        "softmax_attention",
        "the layers of richer keys are the identity, and the items single",
        lambda q, k, v: area_attention(
            q, k, v, width=1, sizes=np.zeros((1, 1, 8)), w_1=np.eye(8), b_1=np.full(8, 8.0), w_d=np.eye(8)
        ),
        softmax_attention,
    ),
    Equivalence(
        "area_attention",
        "area_attention",
        "a grid of one column is a line",
        lambda q, k, v: area_attention(q, k, v, width=1, height=4, columns=1),
        lambda q, k, v: area_attention(q, k, v, width=4),
    ),
    Equivalence(
        "area_attention",
        "area_attention",
        "a grid of one row is a line",
        lambda q, k, v: area_attention(q, k, v, width=3, height=5, columns=150),
        lambda q, k, v: area_attention(q, k, v, width=3),
    ),
    Equivalence(
        "area_attention",
        "area_attention",
        "the transposed grid has the transposed areas",
        lambda q, k, v: area_attention(q, k, v, width=3, height=2, columns=10),
        lambda q, k, v: area_attention(
            q,
            *(np.reshape(np.swapaxes(np.reshape(x, (4, 15, 10, -1)), 1, 2), x.shape) for x in (k, v)),
            width=2,
            height=3,
            columns=15,
        ),
    ),
    Equivalence(
        "structured_attention",
        "softmax_attention",
        "its scoring vectors are queries, and its hidden layer keys",
        lambda q, k, v: structured_attention(q, *_layers(k)),
        lambda q, k, v: softmax_attention(_layers(k)[1], np.tanh(q @ _layers(k)[0].mT), q, scale=1.0),
    ),
    Equivalence(
        "structured_attention",
        "mean of the values",
        "its scoring vectors are zero",
        lambda q, k, v: structured_attention(q, _layers(k)[0], np.zeros((3, 6))),
        lambda q, k, v: np.broadcast_to(q.mean(axis=-2, keepdims=True), (4, 3, 8)),
    ),
    Equivalence(
        "hierarchical_attention",
        "structured_attention",
        "there is one sentence, and one hop",
        lambda q, k, v: hierarchical_attention(q[:, None], k[:, :6], k[:, 6, :6], k[:, 7:10], k[:, 10, :3]),
        lambda q, k, v: _single_hop(q, k[:, :6], k[:, 6, :6]),
    ),
    Equivalence(
        "hierarchical_attention",
        "structured_attention",
        "every sentence is one word",
        lambda q, k, v: hierarchical_attention(q[:, :, None], k[:, :6], k[:, 6, :6], k[:, 7:10], k[:, 10, :3]),
        lambda q, k, v: _single_hop(q, k[:, 7:10], k[:, 10, :3]),
    ),
    Equivalence(
        "hierarchical_attention",
        "mean of the values",
        "nothing is scored and all sentences are as long",
        lambda q, k, v: hierarchical_attention(
            np.reshape(q, (4, 10, 15, 8)), k[:, :6], np.zeros(6), k[:, 7:10], np.zeros(3)
        ),
        lambda q, k, v: q.mean(axis=-2),
    ),
    Equivalence(
        "multidimensional_attention",
        "additive",
        "every feature has the same logits",
        lambda q, k, v: multidimensional_attention(
            q, k[:, :8], k[:, 8:16], None, _as_features(k[:, 16], 8), ceiling=1.0
        ),
        lambda q, k, v: _by_scores(additive(q, q, k[:, 8:16], k[:, :8], k[:, 16]), q),
    ),
    Equivalence(
        "multidimensional_attention",
        "softmax_attention",
        "the ceiling is far above all scores: each feature asks for itself",
        lambda q, k, v: multidimensional_attention(q, k[:, :8], k[:, 8:16], ceiling=1e9),
        lambda q, k, v: _feature_by_feature(q, k[:, :8]),
    ),
    Equivalence(
        "multidimensional_attention",
        "source2token_attention",
        "the token that attends has no say",
        lambda q, k, v: multidimensional_attention(
            q, k[:, :8], np.zeros((8, 8)), k[:, 8], k[:, 16:24], activation="elu"
        )[:, 0],
        lambda q, k, v: source2token_attention(q, k[:, :8], k[:, 16:24], k[:, 8]),
    ),
    Equivalence(
        "source2token_attention",
        "structured_attention",
        "every feature has the same logits, and there is one hop",
        lambda q, k, v: source2token_attention(q, k[:, :6], _as_features(k[:, 6, :6], 8), activation="tanh"),
        lambda q, k, v: _single_hop(q, k[:, :6], k[:, 6, :6]),
    ),
    Equivalence(
        "multirepresentational_attention",
        "identity",
        "there is one representation, projected by the identity",
        lambda q, k, v: multirepresentational_attention(v[:, None], np.eye(5)[None], k[:, 0, :5]),
        lambda q, k, v: v,
    ),
    Equivalence(
        "multirepresentational_attention",
        "mean of the values",
        "nothing is scored",
        lambda q, k, v: multirepresentational_attention(
            np.stack([q, k], axis=1), np.stack([np.eye(8)] * 2), np.zeros(8)
        ),
        lambda q, k, v: (q + k) / 2,
    ),
    Equivalence(
        "multirepresentational_attention",
        "softmax_attention",
        "the scoring vector asks the representations of one word",
        lambda q, k, v: multirepresentational_attention(
            q[:, :, None], np.broadcast_to(np.eye(8), (150, 8, 8)), k[:, 0]
        ),
        lambda q, k, v: softmax_attention(k[:, :1], q, q, scale=1.0),
    ),
)
