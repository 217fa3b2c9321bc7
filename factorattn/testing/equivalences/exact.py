"""Options of softmax attention that are the same thing said in another way."""

import numpy as np

from factorattn.attention import softmax_attention
from factorattn.testing.equivalences.edge import Equivalence

__all__ = ["EDGES"]


def _exact(q, k, v):
    return softmax_attention(q, k, v, form="dense")


def _lower(q):
    return np.tri(q.shape[-2], dtype=bool)


EDGES = (
    Equivalence(
        "softmax_attention",
        "softmax_attention",
        "causal is a window (None, 0)",
        lambda q, k, v: softmax_attention(q, k, v, causal=True),
        lambda q, k, v: softmax_attention(q, k, v, window=(None, 0)),
    ),
    Equivalence(
        "softmax_attention",
        "softmax_attention",
        "causal is a lower triangular mask",
        lambda q, k, v: softmax_attention(q, k, v, causal=True),
        lambda q, k, v: softmax_attention(q, k, v, mask=_lower(q)),
    ),
    Equivalence(
        "softmax_attention",
        "softmax_attention",
        "the mask is a bias of 0 and -inf",
        lambda q, k, v: softmax_attention(q, k, v, mask=_lower(q)),
        lambda q, k, v: softmax_attention(q, k, v, bias=np.where(_lower(q), 0.0, -np.inf)),
    ),
    Equivalence(
        "softmax_attention",
        "softmax_attention",
        "the softcap is far above the logits",
        lambda q, k, v: softmax_attention(q, k, v, softcap=1e9),
        _exact,
    ),
    Equivalence(
        "softmax_attention",
        "mean of the values",
        "the scale is zero",
        lambda q, k, v: softmax_attention(q, k, v, scale=0.0),
        lambda q, k, v: np.broadcast_to(v.mean(axis=-2, keepdims=True), v.shape),
    ),
    Equivalence(
        "softmax_attention",
        "identity",
        "the window holds the own key alone",
        lambda q, k, v: softmax_attention(q, k, v, window=0),
        lambda q, k, v: v,
    ),
)
