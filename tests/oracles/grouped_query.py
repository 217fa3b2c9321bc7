"""Ainslie et al. 2023, section 2.2: the s query heads of group g use key head g."""

from oracles import multihead


def grouped_query_attention(x, w_q, w_k, w_v, w_o, y=None, b_q=None, b_k=None, b_v=None, b_o=None, **options):
    """As `multihead_attention`, with w_q (g, s, d, c), b_q (g, s, d) and w_o (g, s, c, e); head g s + i is (g, i)."""
    s = len(w_q[0])
    w_q, w_o = ([head for group in w for head in group] for w in (w_q, w_o))
    b_q = None if b_q is None else [head for group in b_q for head in group]
    return multihead.multihead_attention(
        x, w_q, w_k, w_v, w_o, y, b_q, b_k, b_v, b_o, key_head=lambda head: head // s, **options
    )
