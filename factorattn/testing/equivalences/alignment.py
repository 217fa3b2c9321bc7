"""Equivalences of the family `alignment`: scores at special parameters, and attention with them."""

from functools import partial

import numpy as np

from factorattn.attention import (
    coda_attention,
    general_attention,
    hard_attention,
    linear_attention,
    local_monotonic_attention,
    local_predictive_attention,
    soft_attention,
    softmax_attention,
    window_attention,
)
from factorattn.score import (
    activated_general,
    additive,
    biased_general,
    concat,
    cosine,
    deep,
    dot,
    euclidean,
    feature,
    gaussian,
    general,
    kernel,
    location,
    location_aware,
    scaled_dot,
)
from factorattn.testing.equivalences.edge import Equivalence

__all__ = ["EDGES"]

HUGE = 1e9  # times any difference of scores


def _unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def _layer(q):
    """A network of seven hidden units, the same for every call: W, U and w."""
    d, rng = q.shape[-1], np.random.default_rng(1)
    return rng.standard_normal((7, d)), rng.standard_normal((7, d)), rng.standard_normal(7)


def _matrix(q):
    d = q.shape[-1]
    return np.random.default_rng(2).standard_normal((d, d)) / d


def _named(q):
    return dict(zip(("w_q", "w_k", "w"), _layer(q), strict=True))


def _joined(q):
    w_q, w_k, w = _layer(q)
    return np.concatenate([w_q, w_k], axis=-1), w


def _filters():
    return np.random.default_rng(3).standard_normal((2, 5))


SCORES = (
    Equivalence(
        "scaled_dot",
        "dot",
        "the scale is one",
        lambda q, k, v: scaled_dot(q, k, scale=1.0),
        lambda q, k, v: dot(q, k),
    ),
    Equivalence(
        "cosine",
        "dot",
        "queries and keys have length one",
        lambda q, k, v: cosine(_unit(q), _unit(k)),
        lambda q, k, v: dot(_unit(q), _unit(k)),
    ),
    Equivalence(
        "cosine",
        "scaled_dot",
        "the strengths are the lengths of the queries and keys have the length of sqrt(d)",
        lambda q, k, v: cosine(q, k, np.linalg.norm(q, axis=-1)),
        lambda q, k, v: scaled_dot(q, _unit(k) * k.shape[-1] ** 0.5),
    ),
    Equivalence(
        "euclidean",
        "gaussian",
        "its scale is 1 / (2 sigma^2)",
        lambda q, k, v: euclidean(q, k, scale=1 / 18),
        lambda q, k, v: gaussian(q, k, sigma=3.0),
    ),
    Equivalence(
        "kernel",
        "dot",
        "the feature map is the identity",
        lambda q, k, v: kernel(q, k, features="identity"),
        lambda q, k, v: dot(q, k),
    ),
    Equivalence(
        "general",
        "scaled_dot",
        "its matrix is the identity by sqrt(d)",
        lambda q, k, v: general(q, k, np.eye(q.shape[-1]) / q.shape[-1] ** 0.5),
        lambda q, k, v: scaled_dot(q, k),
    ),
    Equivalence(
        "biased_general",
        "general",
        "the bias is zero",
        lambda q, k, v: biased_general(q, k, _matrix(q).T, np.zeros(k.shape[-1])),
        lambda q, k, v: general(q, k, _matrix(q)),
    ),
    Equivalence(
        "activated_general",
        "general",
        "the activation is the identity and there is no bias",
        lambda q, k, v: activated_general(q, k, _matrix(q), activation="identity"),
        lambda q, k, v: general(q, k, _matrix(q)),
    ),
    Equivalence(
        "concat",
        "additive",
        "its matrix is both projections side by side",
        lambda q, k, v: concat(q, k, *_joined(q)),
        lambda q, k, v: additive(q, k, *_layer(q)),
    ),
    Equivalence(
        "deep",
        "concat",
        "there is one layer of tanh",
        lambda q, k, v: deep(q, k, *_layer(q), activation="tanh"),
        lambda q, k, v: concat(q, k, *_joined(q)),
    ),
    Equivalence(
        "deep",
        "deep",
        "further layers are the identity and units are not negative",
        lambda q, k, v: deep(q, k, **_named(q), layers=np.stack([np.eye(7)] * 3)),
        lambda q, k, v: deep(q, k, *_layer(q)),
    ),
    Equivalence(
        "location_aware",
        "additive",
        "nothing comes from the previous weights",
        lambda q, k, v: location_aware(q, k, dot(q, k), _filters(), **_named(q), w_f=np.zeros((7, 2))),
        lambda q, k, v: additive(q, k, *_layer(q)),
    ),
    Equivalence(
        "location",
        "dot",
        "its rows are the keys",
        lambda q, k, v: location(q, k, k),
        lambda q, k, v: dot(q, k),
    ),
)
MECHANISMS = (
    Equivalence(
        "general_attention",
        "softmax_attention",
        "the score is dot and the distribution softmax",
        lambda q, k, v: general_attention(q, k, v, score="dot", distribution="softmax"),
        lambda q, k, v: softmax_attention(q, k, v, scale=1.0),
    ),
    Equivalence(
        "general_attention",
        "softmax_attention",
        "the score is general with the identity by sqrt(d)",
        lambda q, k, v: general_attention(q, k, v, score=partial(general, w=np.eye(8) / 8**0.5), causal=True),
        lambda q, k, v: softmax_attention(q, k, v, causal=True),
    ),
    Equivalence(
        "general_attention",
        "linear_attention",
        "the score is a kernel of elu + 1 and weights are in proportion to it",
        lambda q, k, v: general_attention(q, k, v, score="kernel", distribution="proportional", causal=True),
        lambda q, k, v: linear_attention(q, k, v, causal=True),
    ),
    Equivalence(
        "general_attention",
        "soft_attention",
        "the score is additive",
        lambda q, k, v: general_attention(q, k, v, score=partial(additive, **_named(q))),
        lambda q, k, v: soft_attention(q, k, v, *_layer(q)),
    ),
    Equivalence(
        "general_attention",
        "hard_attention",
        "the distribution is hard",
        lambda q, k, v: general_attention(q, k, v, distribution="hard"),
        lambda q, k, v: hard_attention(q, k, v),
    ),
    Equivalence(
        "gaussian",
        "softmax_attention",
        "keys have length one, sigma^2 is sqrt(d) and the distribution is softmax",
        lambda q, k, v: general_attention(q, _unit(k), v, score=partial(gaussian, sigma=q.shape[-1] ** 0.25)),
        lambda q, k, v: softmax_attention(q, _unit(k), v),
    ),
    Equivalence(
        "additive",
        "feature",
        "the activation is the identity and the distribution softmax: no query matters",
        lambda q, k, v: general_attention(q, k, v, score=partial(additive, **_named(q), activation="identity")),
        lambda q, k, v: general_attention(
            q,
            k,
            v,
            score=partial(
                feature, w_1=_layer(q)[1], w_2=np.zeros((7, q.shape[-1])), v=_layer(q)[2], activation="identity"
            ),
        ),
    ),
    Equivalence(
        "soft_attention",
        "mean of the values",
        "hidden units weigh nothing",
        lambda q, k, v: soft_attention(q, k, v, **{**_named(q), "w": np.zeros(7)}),
        lambda q, k, v: np.broadcast_to(v.mean(axis=-2, keepdims=True), v.shape),
    ),
    Equivalence(
        "hard_attention",
        "softmax_attention",
        "the scale is huge",
        lambda q, k, v: hard_attention(q, k, v),
        lambda q, k, v: softmax_attention(q, k, v, scale=HUGE),
    ),
    Equivalence(
        "hard_attention",
        "hard_attention",
        "a key is drawn and the scale is huge",
        lambda q, k, v: hard_attention(HUGE * q, k, v, rng=0),
        lambda q, k, v: hard_attention(q, k, v),
    ),
    Equivalence(
        "coda_attention",
        "general_attention",
        "nothing is unlike and the distribution is tanh",
        lambda q, k, v: coda_attention(q, k, v, 0 * q, 0 * k),
        lambda q, k, v: general_attention(q, k, v, distribution=np.tanh),
    ),
    Equivalence(
        "local_monotonic_attention",
        "softmax_attention",
        "the window is as wide as the sequence and the scale one",
        lambda q, k, v: local_monotonic_attention(q, k, v, window=q.shape[-2]),
        lambda q, k, v: softmax_attention(q, k, v, scale=1.0),
    ),
    Equivalence(
        "local_monotonic_attention",
        "window_attention",
        "its score is scaled_dot and queries and keys are of one sequence",
        lambda q, k, v: local_monotonic_attention(q, k, v, window=9, score="scaled_dot", causal=True),
        lambda q, k, v: window_attention(q, k, v, window=9, causal=True),
    ),
    Equivalence(
        "local_predictive_attention",
        "local_monotonic_attention",
        "positions are predicted in order and the Gaussian is flat",
        lambda q, k, v: local_predictive_attention(
            q, k, v, np.zeros((3, 8)), np.zeros(3), 2.0 * np.arange(q.shape[-2]), window=9, sigma=HUGE
        ),
        lambda q, k, v: local_monotonic_attention(q, k, v, window=9),
    ),
)

EDGES: tuple[Equivalence, ...] = (*SCORES, *MECHANISMS)
