"""Equivalences of distributions: one at the end of its range is another."""

from functools import partial

import numpy as np

from factorattn.attention import general_attention, softmax_attention
from factorattn.distribution import (
    deattention,
    entmax,
    hard,
    multinoulli,
    proportional,
    sigmoid,
    sinkhorn,
    softmax,
    softmax_one,
    sparsemax,
    top_k,
)
from factorattn.score import scaled_dot
from factorattn.testing.equivalences.edge import Equivalence

__all__ = ["EDGES"]

HUGE = 1e9  # times any difference of scores


def _mean_is_zero(x):
    return x - x.mean(axis=(-2, -1), keepdims=True)


EDGES: tuple[Equivalence, ...] = (
    Equivalence(
        "entmax",
        "softmax",
        "alpha is 1",
        lambda q, k, v: entmax(scaled_dot(q, k), np.asarray(1.0)),
        lambda q, k, v: softmax(scaled_dot(q, k)),
    ),
    Equivalence(
        "entmax",
        "sparsemax",
        "alpha is 2",
        lambda q, k, v: entmax(scaled_dot(q, k), np.asarray(2.0)),
        lambda q, k, v: sparsemax(scaled_dot(q, k)),
    ),
    Equivalence(
        "entmax",
        "entmax",
        "alpha is 1.5, by bisection and by sorting",
        lambda q, k, v: entmax(scaled_dot(q, k), np.asarray(1.5)),
        lambda q, k, v: entmax(scaled_dot(q, k), 1.5),
    ),
    Equivalence(
        "entmax",
        "hard",
        "alpha is huge",
        lambda q, k, v: entmax(scaled_dot(q, k), HUGE),
        lambda q, k, v: hard(scaled_dot(q, k)),
    ),
    Equivalence(
        "sparsemax",
        "hard",
        "scores are huge",
        lambda q, k, v: sparsemax(HUGE * scaled_dot(q, k)),
        lambda q, k, v: hard(scaled_dot(q, k)),
    ),
    Equivalence(
        "sparsemax",
        "centred scores",
        "scores are so near each other that all keys share",
        lambda q, k, v: sparsemax(scaled_dot(q, k) / 1e4),
        lambda q, k, v: (scaled_dot(q, k) - scaled_dot(q, k).mean(axis=-1, keepdims=True)) / 1e4 + 1 / k.shape[-2],
    ),
    Equivalence(
        "softmax",
        "hard",
        "scores are huge",
        lambda q, k, v: softmax(HUGE * scaled_dot(q, k)),
        lambda q, k, v: hard(scaled_dot(q, k)),
    ),
    Equivalence(
        "multinoulli",
        "hard",
        "scores are huge",
        lambda q, k, v: multinoulli(HUGE * scaled_dot(q, k), rng=0),
        lambda q, k, v: hard(scaled_dot(q, k)),
    ),
    Equivalence(
        "top_k",
        "softmax",
        "all keys are kept",
        lambda q, k, v: top_k(scaled_dot(q, k), k=k.shape[-2]),
        lambda q, k, v: softmax(scaled_dot(q, k)),
    ),
    Equivalence(
        "top_k",
        "hard",
        "one key is kept",
        lambda q, k, v: top_k(scaled_dot(q, k), k=1),
        lambda q, k, v: hard(scaled_dot(q, k)),
    ),
    Equivalence(
        "top_k",
        "softmax_attention",
        "keys below the tenth score are masked",
        lambda q, k, v: general_attention(q, k, v, distribution=partial(top_k, k=10)),
        lambda q, k, v: softmax_attention(q, k, v, mask=q @ k.mT >= np.sort(q @ k.mT, axis=-1)[..., -10:-9]),
    ),
    Equivalence(
        "softmax_one",
        "softmax",
        "the sink is far below all scores",
        lambda q, k, v: softmax_one(scaled_dot(q, k), np.asarray(-HUGE)),
        lambda q, k, v: softmax(scaled_dot(q, k)),
    ),
    Equivalence(
        "softmax_one",
        "sigmoid",
        "there is one key",
        lambda q, k, v: softmax_one(scaled_dot(q, k)[..., None])[..., 0],
        lambda q, k, v: sigmoid(scaled_dot(q, k)),
    ),
    Equivalence(
        "sigmoid",
        "softmax",
        "there are two keys and the other scores zero",
        lambda q, k, v: sigmoid(scaled_dot(q, k)),
        lambda q, k, v: softmax(np.stack([scaled_dot(q, k), 0 * scaled_dot(q, k)], axis=-1))[..., 0],
    ),
    Equivalence(
        "proportional",
        "softmax",
        "scores are exponentials",
        lambda q, k, v: proportional(np.exp(scaled_dot(q, k))),
        lambda q, k, v: softmax(scaled_dot(q, k)),
    ),
    Equivalence(
        "sinkhorn",
        "softmax",
        "there is one round",
        lambda q, k, v: sinkhorn(scaled_dot(q, k), rounds=1),
        lambda q, k, v: softmax(scaled_dot(q, k)),
    ),
    Equivalence(
        "sinkhorn",
        "sinkhorn",
        "queries and keys change places, after many rounds",
        lambda q, k, v: sinkhorn(scaled_dot(q, k), rounds=300).mT,
        lambda q, k, v: sinkhorn(scaled_dot(k, q), rounds=300),
    ),
    Equivalence(
        "deattention",
        "tanh",
        "nothing is unlike",
        lambda q, k, v: deattention(scaled_dot(q, k), 0 * scaled_dot(q, k)),
        lambda q, k, v: np.tanh(scaled_dot(q, k)),
    ),
    Equivalence(
        "deattention",
        "sigmoid",
        "affinities are huge and positive and dissimilarities have mean zero",
        lambda q, k, v: deattention(HUGE + scaled_dot(q, k), _mean_is_zero(scaled_dot(k, q)), gate="centre"),
        lambda q, k, v: sigmoid(_mean_is_zero(scaled_dot(k, q))),
    ),
)
