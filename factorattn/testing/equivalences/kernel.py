"""Kernel attention at the ends of its ranges: other features, constant keys, lengths of one, gates wide open."""

import numpy as np

from factorattn.attention import (
    aft_attention,
    cosformer_attention,
    efficient_attention,
    linear_attention,
    performer_attention,
    random_feature_attention,
    softmax_attention,
)
from factorattn.testing.equivalences.edge import Equivalence

__all__ = ["EDGES"]

OPEN = 50.0  # the logit of a gate that is one to rounding


def _unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def _omega(q):
    """Sixty-four directions."""
    return np.random.default_rng(1).standard_normal((64, q.shape[-1]))


def _sigma(q):
    return np.linspace(0.5, 1.5, q.shape[-1])


def _plain(q):
    """No projection."""
    return np.eye(q.shape[-1])


def _lower(v):
    return np.tri(v.shape[-2], dtype=bool)


def _mean(v):
    return np.broadcast_to(v.mean(axis=-2, keepdims=True), v.shape)


def _some(v):
    """Which keys there are, one in three hidden."""
    return np.arange(v.shape[-2]) % 3 > 0


def _biases(q, k):
    return q @ np.swapaxes(k, -1, -2)


def _cosines(n):
    """Of the distances, at a right angle for n."""
    return np.cos(np.pi / (2 * n) * (np.arange(n)[:, None] - np.arange(n)))


def _open(v):
    return np.full(v.shape, OPEN)


def _narrow(x, v):
    """As many features as values."""
    return x[..., : v.shape[-1]]


EDGES = (
    Equivalence(
        "linear_attention",
        "performer_attention",
        "no query and no key has a negative entry, and features are x + 1",
        lambda q, k, v: linear_attention(abs(q), abs(k), v),
        lambda q, k, v: performer_attention(abs(q), abs(k), v, _plain(q), features="identity", epsilon=1.0, scale=1.0),
    ),
    Equivalence(
        "linear_attention",
        "linear_attention",
        "the last query alone is causal",
        lambda q, k, v: linear_attention(q[..., -1:, :], k, v, causal=True),
        lambda q, k, v: linear_attention(q[..., -1:, :], k, v),
    ),
    Equivalence(
        "linear_attention",
        "linear_attention",
        "hidden keys are left out",
        lambda q, k, v: linear_attention(q, k, v, mask=_some(v)),
        lambda q, k, v: linear_attention(q, k[..., _some(v), :], v[..., _some(v), :]),
    ),
    Equivalence(
        "performer_attention",
        "softmax_attention",
        "omega is zero, and keys weigh exp(-|k|^2 / 2 sqrt(d))",
        lambda q, k, v: performer_attention(q, k, v, 0 * _omega(q)[:3]),
        lambda q, k, v: softmax_attention(
            q, k, v, scale=0.0, bias=-np.sum(k * k, axis=-1)[..., None, :] / (2 * q.shape[-1] ** 0.5)
        ),
    ),
    Equivalence(
        "performer_attention",
        "performer_attention",
        "every direction is there twice",
        lambda q, k, v: performer_attention(q, k, v, np.concatenate([_omega(q), _omega(q)])),
        lambda q, k, v: performer_attention(q, k, v, _omega(q)),
    ),
    Equivalence(
        "performer_attention",
        "performer_attention",
        "hyperbolic features are positive ones of omega and -omega",
        lambda q, k, v: performer_attention(q, k, v, _omega(q), features="hyperbolic"),
        lambda q, k, v: performer_attention(q, k, v, np.concatenate([_omega(q), -_omega(q)])),
    ),
    Equivalence(
        "performer_attention",
        "performer_attention",
        "all queries and keys have one length, generalized exponentials are positive features",
        lambda q, k, v: performer_attention(_unit(q), _unit(k), v, _omega(q), features="exp", epsilon=0.0),
        lambda q, k, v: performer_attention(_unit(q), _unit(k), v, _omega(q)),
    ),
    Equivalence(
        "performer_attention",
        "mean of the values",
        "cosines of no direction are all one",
        lambda q, k, v: performer_attention(q, k, v, 0 * _omega(q), features="cos"),
        lambda q, k, v: _mean(v),
    ),
    Equivalence(
        "random_feature_attention",
        "performer_attention",
        "queries and keys have length one, and features are trigonometric",
        lambda q, k, v: random_feature_attention(q, k, v, _omega(q) / 4),
        lambda q, k, v: performer_attention(_unit(q), _unit(k), v, _omega(q) / 4, features="trigonometric", scale=1.0),
    ),
    Equivalence(
        "random_feature_attention",
        "performer_attention",
        "queries and keys have length one, and features are rectified",
        lambda q, k, v: random_feature_attention(q, k, v, _omega(q), features="arccos", causal=True),
        lambda q, k, v: performer_attention(
            _unit(q), _unit(k), v, _omega(q), features="relu", epsilon=0.0, scale=1.0, causal=True
        ),
    ),
    Equivalence(
        "random_feature_attention",
        "random_feature_attention",
        "sigma stretches the directions",
        lambda q, k, v: random_feature_attention(q, k, v, _omega(q) / 4, _sigma(q)),
        lambda q, k, v: random_feature_attention(q, k, v, _omega(q) / 4 * _sigma(q)),
    ),
    Equivalence(
        "random_feature_attention",
        "identity",
        "gates shut out the past",
        lambda q, k, v: random_feature_attention(
            q, k, v, _omega(q) / 4, None, np.full(v.shape[-2], -OPEN), causal=True
        ),
        lambda q, k, v: v,
    ),
    Equivalence(
        "random_feature_attention",
        "mean of the values",
        "sigma is zero",
        lambda q, k, v: random_feature_attention(q, k, v, _omega(q), 0 * _sigma(q)),
        lambda q, k, v: _mean(v),
    ),
    Equivalence(
        "cosformer_attention",
        "performer_attention",
        "the length is far above all distances, and features are rectified",
        lambda q, k, v: cosformer_attention(q, k, v, length=10**12),
        lambda q, k, v: performer_attention(q, k, v, _plain(q), features="relu", epsilon=0.0, scale=1.0),
    ),
    Equivalence(
        "cosformer_attention",
        "softmax_attention",
        "one positive feature is one, and cosines of the distance are exponentials of their logarithm",
        lambda q, k, v: cosformer_attention(q[..., :1] ** 0, k[..., :1] ** 0, v),
        lambda q, k, v: softmax_attention(q, k, v, scale=0.0, bias=np.log(_cosines(v.shape[-2]))),
    ),
    Equivalence(
        "efficient_attention",
        "performer_attention",
        "features are the two softmaxes",
        lambda q, k, v: efficient_attention(q, k, v),
        lambda q, k, v: performer_attention(
            np.exp(q) / np.exp(q).sum(axis=-1, keepdims=True),
            np.exp(k) / np.exp(k).sum(axis=-2, keepdims=True),
            v,
            _plain(q),
            features="identity",
            epsilon=0.0,
            scale=1.0,
        ),
    ),
    Equivalence(
        "efficient_attention",
        "efficient_attention",
        "causal is a lower triangular mask",
        lambda q, k, v: efficient_attention(q, k, v, causal=True),
        lambda q, k, v: efficient_attention(q, k, v, mask=_lower(v)),
    ),
    Equivalence(
        "efficient_attention",
        "softmax_attention",
        "there is one feature, and it is a bias",
        lambda q, k, v: efficient_attention(q[..., :1], k[..., :1], v),
        lambda q, k, v: softmax_attention(q, k, v, scale=0.0, bias=k[..., None, :, 0]),
    ),
    Equivalence(
        "aft_attention",
        "efficient_attention",
        "keys have one feature, and gates are open",
        lambda q, k, v: aft_attention(_open(v), np.broadcast_to(k[..., :1], v.shape), v),
        lambda q, k, v: efficient_attention(q[..., :1], k[..., :1], v),
    ),
    Equivalence(
        "aft_attention",
        "softmax_attention",
        "keys are all alike, biases are logits, and gates are open",
        lambda q, k, v: aft_attention(_open(v), 0 * v, v, _biases(q, k), causal=True),
        lambda q, k, v: softmax_attention(q, k, v, scale=1.0, causal=True),
    ),
    Equivalence(
        "aft_attention",
        "aft_attention",
        "there are no biases or biases of zero",
        lambda q, k, v: aft_attention(_narrow(q, v), _narrow(k, v), v),
        lambda q, k, v: aft_attention(_narrow(q, v), _narrow(k, v), v, 0 * _biases(q, k)),
    ),
    Equivalence(
        "aft_attention",
        "aft_attention",
        "the window is as wide as the sequence",
        lambda q, k, v: aft_attention(_narrow(q, v), _narrow(k, v), v, _biases(q, k), window=v.shape[-2]),
        lambda q, k, v: aft_attention(_narrow(q, v), _narrow(k, v), v, _biases(q, k)),
    ),
    Equivalence(
        "aft_attention",
        "aft_attention",
        "causal is a lower triangular mask",
        lambda q, k, v: aft_attention(_narrow(q, v), _narrow(k, v), v, causal=True),
        lambda q, k, v: aft_attention(_narrow(q, v), _narrow(k, v), v, mask=_lower(v)),
    ),
    Equivalence(
        "aft_attention",
        "mean of the values",
        "keys are all alike, and gates are open",
        lambda q, k, v: aft_attention(_open(v), 0 * v, v),
        lambda q, k, v: _mean(v),
    ),
)
