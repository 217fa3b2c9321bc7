"""Only some pairs."""

from factorattn.attention.sparse.longformer import longformer_attention
from factorattn.attention.sparse.window import window_attention

__all__ = ["longformer_attention", "window_attention"]
