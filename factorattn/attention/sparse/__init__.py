"""Only some pairs."""

from factorattn.attention.sparse.adaptive_span import adaptive_span_attention
from factorattn.attention.sparse.axial import axial_attention
from factorattn.attention.sparse.bigbird import bigbird_attention
from factorattn.attention.sparse.dilated import dilated_attention
from factorattn.attention.sparse.fixed import fixed_attention
from factorattn.attention.sparse.local_1d import local_1d_attention
from factorattn.attention.sparse.local_2d import local_2d_attention
from factorattn.attention.sparse.longformer import longformer_attention
from factorattn.attention.sparse.pattern import pattern_attention
from factorattn.attention.sparse.strided import strided_attention
from factorattn.attention.sparse.window import window_attention

__all__ = [
    "adaptive_span_attention",
    "axial_attention",
    "bigbird_attention",
    "dilated_attention",
    "fixed_attention",
    "local_1d_attention",
    "local_2d_attention",
    "longformer_attention",
    "pattern_attention",
    "strided_attention",
    "window_attention",
]
