"""Attention on grids and over patterns: one set of pairs has many names."""

import numpy as np

from factorattn.attention import (
    axial_attention,
    dilated_attention,
    local_1d_attention,
    local_2d_attention,
    longformer_attention,
    pattern_attention,
    softmax_attention,
    strided_attention,
    window_attention,
)
from factorattn.pattern import bigbird, dilated, full, longformer, strided, window
from factorattn.testing.equivalences.edge import Equivalence

__all__ = ["EDGES"]

ROWS = 15  # of a grid of all positions


def _exact(q, k, v):
    return softmax_attention(q, k, v, form="dense")


def _length(v):
    return v.shape[-2]


def _on_grid(f, rows, **options):
    """A mechanism of grids on a sequence, row by row."""

    def attend(*arrays):
        grids = (x.reshape(*x.shape[:-2], rows, _length(x) // rows, x.shape[-1]) for x in arrays)
        return f(*grids, **options).reshape(arrays[-1].shape)

    return attend


def _order(v):
    return np.random.default_rng(5).permutation(_length(v))


EDGES: tuple[Equivalence, ...] = (
    Equivalence(
        "strided_attention",
        "axial_attention",
        "the part is strided, the stride is the length of a row, and columns are causal",
        lambda q, k, v: strided_attention(q, k, v, stride=_length(v) // ROWS, part="strided"),
        _on_grid(axial_attention, ROWS, axis="column", causal=True),
    ),
    Equivalence(
        "local_1d_attention",
        "axial_attention",
        "a block is a row, and there is no memory",
        lambda q, k, v: local_1d_attention(q, k, v, block=_length(v) // ROWS, memory=0),
        _on_grid(axial_attention, ROWS),
    ),
    Equivalence(
        "local_2d_attention",
        "softmax_attention",
        "there is one rectangle",
        _on_grid(local_2d_attention, ROWS, block=(99, 99)),
        _exact,
    ),
    Equivalence(
        "local_2d_attention",
        "local_1d_attention",
        "rectangles are whole rows, and both are causal",
        _on_grid(local_2d_attention, ROWS, block=(2, 10), memory=(3, 0), causal=True),
        lambda q, k, v: local_1d_attention(q, k, v, block=20, memory=30, causal=True),
    ),
    Equivalence(
        "local_2d_attention",
        "axial_attention",
        "rectangles are columns, and there is no margin",
        _on_grid(local_2d_attention, ROWS, block=(ROWS, 1), memory=(0, 0)),
        _on_grid(axial_attention, ROWS, axis="column"),
    ),
    Equivalence(
        "axial_attention",
        "softmax_attention",
        "the grid is one row",
        _on_grid(axial_attention, 1),
        _exact,
    ),
    Equivalence(
        "pattern_attention",
        "softmax_attention",
        "the pattern holds all pairs",
        lambda q, k, v: pattern_attention(q, k, v, pattern=full(_length(v))),
        _exact,
    ),
    Equivalence(
        "pattern_attention",
        "softmax_attention",
        "the pattern is a mask",
        lambda q, k, v: pattern_attention(q, k, v, pattern=bigbird(_length(v), 16)),
        lambda q, k, v: softmax_attention(q, k, v, mask=bigbird(_length(v), 16).dense()),
    ),
    Equivalence(
        "pattern_attention",
        "window_attention",
        "the pattern is a window",
        lambda q, k, v: pattern_attention(q, k, v, pattern=window(_length(v), 9)),
        lambda q, k, v: window_attention(q, k, v, window=9),
    ),
    Equivalence(
        "pattern_attention",
        "dilated_attention",
        "the pattern is a dilated window",
        lambda q, k, v: pattern_attention(q, k, v, pattern=dilated(_length(v), 9, 4), form="gathered"),
        lambda q, k, v: dilated_attention(q, k, v, window=9, dilation=4),
    ),
    Equivalence(
        "pattern_attention",
        "strided_attention",
        "the pattern is that of a Sparse Transformer",
        lambda q, k, v: pattern_attention(q, k, v, pattern=strided(_length(v), 12), form="gathered"),
        lambda q, k, v: strided_attention(q, k, v, stride=12),
    ),
    Equivalence(
        "pattern_attention",
        "longformer_attention",
        "the pattern is a window and global tokens",
        lambda q, k, v: pattern_attention(q, k, v, pattern=longformer(_length(v), 9, (3, 77))),
        lambda q, k, v: longformer_attention(q, k, v, window=9, global_tokens=(3, 77)),
    ),
    Equivalence(
        "pattern_attention",
        "window_attention",
        "positions come in another order, and the pattern with them",
        lambda q, k, v: pattern_attention(
            *(x[..., _order(v), :] for x in (q, k, v)), pattern=window(_length(v), 9).permuted(_order(v))
        ),
        lambda q, k, v: window_attention(q, k, v, window=9)[..., _order(v), :],
    ),
)
