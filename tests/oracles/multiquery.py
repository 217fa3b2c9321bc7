"""Shazeer 2019, section 3: every query head uses the one key head."""

from oracles import multihead


def multiquery_attention(x, w_q, w_k, w_v, w_o, y=None, b_q=None, b_k=None, b_v=None, b_o=None, **options):
    """As `multihead_attention`, with w_k (d, c), w_v (e, c), b_k (d,) and b_v (e,)."""
    b_k, b_v = (None if b is None else [b] for b in (b_k, b_v))
    return multihead.multihead_attention(
        x, w_q, [w_k], [w_v], w_o, y, b_q, b_k, b_v, b_o, key_head=lambda head: 0, **options
    )
