"""All pairs, in any order of summation."""

from factorattn.attention.exact.softmax import softmax_attention

__all__ = ["softmax_attention"]
