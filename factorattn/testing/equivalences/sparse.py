"""Patterns that hold all pairs are no restriction; and one set of pairs has many names."""

import numpy as np

from factorattn.attention import (
    adaptive_span_attention,
    bigbird_attention,
    dilated_attention,
    fixed_attention,
    local_1d_attention,
    longformer_attention,
    softmax_attention,
    strided_attention,
    window_attention,
)
from factorattn.testing.equivalences import sparse_grids
from factorattn.testing.equivalences.edge import Equivalence

__all__ = ["EDGES"]


def _exact(q, k, v):
    return softmax_attention(q, k, v, form="dense")


def _past(q, k, v):
    return softmax_attention(q, k, v, causal=True, form="dense")


def _length(v):
    return v.shape[-2]


def _class_by_class(f, step, **options):
    """A mechanism on each class of positions modulo `step`."""

    def attend(*arrays):
        parts = [f(*(x[..., first::step, :] for x in arrays), **options) for first in range(step)]
        return np.stack(parts, axis=-2).reshape(arrays[-1].shape)

    return attend


def _spans(v, span):
    return np.full(v.shape[:-1], float(span))


def _ramp(v, span, ramp):
    """The soft mask of an adaptive span over the keys before a query, as something to add to logits."""
    apart = np.subtract.outer(np.arange(_length(v)), np.arange(_length(v)))
    soft = np.where(apart > 0, np.clip((ramp + span - apart) / ramp, 0, 1), 0)
    return np.where(soft > 0, np.log(np.where(soft > 0, soft, 1)), -np.inf)


EDGES: tuple[Equivalence, ...] = (
    *sparse_grids.EDGES,
    Equivalence(
        "window_attention",
        "softmax_attention",
        "the window is as wide as the sequence",
        lambda q, k, v: window_attention(q, k, v, window=_length(v)),
        _exact,
    ),
    Equivalence(
        "window_attention",
        "softmax_attention",
        "the latter has a window, too",
        lambda q, k, v: window_attention(q, k, v, window=9),
        lambda q, k, v: softmax_attention(q, k, v, window=9),
    ),
    Equivalence(
        "window_attention",
        "softmax_attention",
        "both are causal and the window is as wide as the sequence",
        lambda q, k, v: window_attention(q, k, v, window=_length(v), causal=True),
        _past,
    ),
    Equivalence(
        "longformer_attention",
        "window_attention",
        "no token is global",
        lambda q, k, v: longformer_attention(q, k, v, window=9, global_tokens=()),
        lambda q, k, v: window_attention(q, k, v, window=9),
    ),
    Equivalence(
        "longformer_attention",
        "dilated_attention",
        "no token is global and the window is dilated",
        lambda q, k, v: longformer_attention(q, k, v, window=9, dilation=4, global_tokens=()),
        lambda q, k, v: dilated_attention(q, k, v, window=9, dilation=4),
    ),
    Equivalence(
        "longformer_attention",
        "softmax_attention",
        "every token is global",
        lambda q, k, v: longformer_attention(q, k, v, window=1, global_tokens=range(_length(v))),
        _exact,
    ),
    Equivalence(
        "longformer_attention",
        "softmax_attention",
        "the window is as wide as the sequence",
        lambda q, k, v: longformer_attention(q, k, v, window=_length(v), global_tokens=(3, 77)),
        _exact,
    ),
    Equivalence(
        "dilated_attention",
        "window_attention",
        "the dilation is 1",
        lambda q, k, v: dilated_attention(q, k, v, window=9, dilation=1),
        lambda q, k, v: window_attention(q, k, v, window=9),
    ),
    Equivalence(
        "dilated_attention",
        "window_attention",
        "the latter sees each class of positions by itself",
        lambda q, k, v: dilated_attention(q, k, v, window=4, dilation=6),
        _class_by_class(window_attention, 6, window=4),
    ),
    Equivalence(
        "strided_attention",
        "softmax_attention",
        "the latter is causal and the stride is the length",
        lambda q, k, v: strided_attention(q, k, v, stride=_length(v)),
        _past,
    ),
    Equivalence(
        "strided_attention",
        "softmax_attention",
        "the latter is causal and the stride is 1",
        lambda q, k, v: strided_attention(q, k, v, stride=1),
        _past,
    ),
    Equivalence(
        "strided_attention",
        "window_attention",
        "the part is local, and the window causal",
        lambda q, k, v: strided_attention(q, k, v, stride=12, part="local"),
        lambda q, k, v: window_attention(q, k, v, window=12, causal=True),
    ),
    Equivalence(
        "fixed_attention",
        "softmax_attention",
        "the latter is causal and there is one block",
        lambda q, k, v: fixed_attention(q, k, v, stride=_length(v)),
        _past,
    ),
    Equivalence(
        "fixed_attention",
        "softmax_attention",
        "the latter is causal and a summary is its whole block",
        lambda q, k, v: fixed_attention(q, k, v, stride=10, summary=10),
        _past,
    ),
    Equivalence(
        "fixed_attention",
        "local_1d_attention",
        "the part is local, and the latter is causal without a memory",
        lambda q, k, v: fixed_attention(q, k, v, stride=32, part="local"),
        lambda q, k, v: local_1d_attention(q, k, v, block=32, memory=0, causal=True),
    ),
    Equivalence(
        "local_1d_attention",
        "softmax_attention",
        "there is one block",
        lambda q, k, v: local_1d_attention(q, k, v, block=_length(v)),
        _exact,
    ),
    Equivalence(
        "local_1d_attention",
        "window_attention",
        "a block is one query",
        lambda q, k, v: local_1d_attention(q, k, v, block=1, memory=7),
        lambda q, k, v: window_attention(q, k, v, window=7),
    ),
    Equivalence(
        "bigbird_attention",
        "softmax_attention",
        "there is one block",
        lambda q, k, v: bigbird_attention(q, k, v, block=_length(v)),
        _exact,
    ),
    Equivalence(
        "bigbird_attention",
        "softmax_attention",
        "all blocks are drawn",
        lambda q, k, v: bigbird_attention(q, k, v, block=16, random=10, global_tokens=()),
        _exact,
    ),
    Equivalence(
        "bigbird_attention",
        "longformer_attention",
        "a block is one token, and none are drawn",
        lambda q, k, v: bigbird_attention(q, k, v, block=1, window=5, random=0, global_tokens=(3, 77)),
        lambda q, k, v: longformer_attention(q, k, v, window=5, global_tokens=(3, 77)),
    ),
    Equivalence(
        "adaptive_span_attention",
        "window_attention",
        "the span is the largest, and a query sees its own key",
        lambda q, k, v: adaptive_span_attention(q, k, v, _spans(v, 20), window=20, own=True),
        lambda q, k, v: window_attention(q, k, v, window=20, causal=True),
    ),
    Equivalence(
        "adaptive_span_attention",
        "softmax_attention",
        "the span is the largest, and the latter sees the keys before a query",
        lambda q, k, v: adaptive_span_attention(q, k, v, _spans(v, _length(v)), window=_length(v)),
        lambda q, k, v: softmax_attention(q, k, v, causal=True, offset=-1),
    ),
    Equivalence(
        "adaptive_span_attention",
        "softmax_attention",
        "the logarithm of the soft mask is a bias",
        lambda q, k, v: adaptive_span_attention(q, k, v, _spans(v, 6.5), window=_length(v), ramp=9.0),
        lambda q, k, v: softmax_attention(q, k, v, bias=_ramp(v, 6.5, 9.0)),
    ),
)
