"""Equivalences of the family `multihead`. Tokens are the given arrays side by side, and projections pick them."""

import numpy as np

from factorattn.attention import (
    grouped_query_attention,
    latent_attention,
    multihead_attention,
    multiquery_attention,
    softmax_attention,
)
from factorattn.position import alibi
from factorattn.testing.equivalences.edge import Equivalence

__all__ = ["EDGES"]


def _tokens(q, k, v):
    """One sequence that holds all arrays of all heads, (n, c), and the rows that pick the part of each head."""
    parts = [head for x in (q, k, v) for head in x]
    x = np.concatenate(parts, axis=-1)
    picks = np.split(np.eye(x.shape[-1]), np.cumsum([part.shape[-1] for part in parts])[:-1])
    h = len(q)
    return x, *(np.stack(picks[i * h : (i + 1) * h]) for i in range(3))


def _out(w_v):
    """A last projection that writes what head i makes to where its values were: its inverse on them."""
    return np.swapaxes(w_v, -1, -2)


def _beside(o):
    """The outputs (h, n, e) of all heads, side by side."""
    return np.concatenate(list(o), axis=-1)


def _values(out, v):
    """The columns of an output in which the values were."""
    return out[:, out.shape[-1] - len(v) * v.shape[-1] :]


def _drawn(seed, *shapes):
    return [np.random.default_rng([seed, i]).standard_normal(shape) for i, shape in enumerate(shapes)]


def _weights(q, *, h=4, d=3, e=5):
    """Weights of h heads, drawn, for tokens of the width of q."""
    return _drawn(0, (h, d, q.shape[-1]), (h, d, q.shape[-1]), (h, e, q.shape[-1]), (h, q.shape[-1], e))


def _multihead(x, w, **options):
    w_q, w_k, w_v, w_o = w
    return multihead_attention(x, w_q, w_k, w_v, w_o, **options)


def _multiquery(x, w, **options):
    """With the first head of keys and values."""
    w_q, w_k, w_v, w_o = w
    return multiquery_attention(x, w_q, w_k[0], w_v[0], w_o, **options)


def _shared(w, g):
    """The first g heads of keys and values, repeated for their neighbours."""
    w_q, w_k, w_v, w_o = w
    return w_q, *(np.repeat(x[:g], len(w_q) // g, axis=0) for x in (w_k, w_v)), w_o


def _multihead_that_picks(q, k, v, **options):
    x, w_q, w_k, w_v = _tokens(q, k, v)
    return _values(multihead_attention(x, w_q, w_k, w_v, _out(w_v), causal=True, **options), v)


def _multiquery_that_picks(q, k, v):
    x, w_q, w_k, w_v = _tokens(q, k, v)
    out = multiquery_attention(x, w_q, w_k[1], w_v[1], _out(w_v))
    return _values(out, v)


def _grouped_that_picks(q, k, v):
    x, w_q, w_k, w_v = _tokens(q, k, v)
    w_o = _out(w_v).reshape(2, 2, x.shape[-1], -1)
    return _values(grouped_query_attention(x, w_q.reshape(2, 2, -1, x.shape[-1]), w_k[:2], w_v[:2], w_o), v)


def _grouped(q, k, v, g, **options):
    w_q, w_k, w_v, w_o = _weights(q)
    w_q, w_o = (w.reshape(g, 4 // g, *w.shape[1:]) for w in (w_q, w_o))
    return grouped_query_attention(q, w_q, w_k[:g], w_v[:g], w_o, **options)


def _merged(q, k, v):
    """Queries through W_k^T W_q, values through W_o W_v, and heads that leave both as they are."""
    w_q, w_k, w_v, w_o = _weights(q)
    eye = np.broadcast_to(np.eye(q.shape[-1]), (4, q.shape[-1], q.shape[-1]))
    merged = w_k.transpose(0, 2, 1) @ w_q, eye, w_o @ w_v, eye
    return _multihead(q, merged, scale=3**-0.5)


LATENT = ("w_dq", "w_uq", "w_dkv", "w_uk", "w_uv", "w_o")


def _latent(q):
    """Latent attention with drawn weights, whose keys and values come from 2 numbers; and these weights."""
    c = q.shape[-1]
    drawn = _drawn(1, (6, c), (4, 3, 6), (2, c), (4, 3, 2), (4, 5, 2), (4, c, 5))
    given = dict(zip(LATENT, drawn, strict=True))
    return latent_attention(q, **given), given


def _expanded(q):
    """Multi-head attention with the products of the factors that latent attention has."""
    w = _latent(q)[1]
    products = w["w_uq"] @ w["w_dq"], w["w_uk"] @ w["w_dkv"], w["w_uv"] @ w["w_dkv"]
    return _multihead(q, (*products, w["w_o"]))


def _factored(q, **rotated):
    """Latent attention of full rank, from weights of multi-head attention."""
    w_q, w_k, w_v, w_o = _weights(q)
    return latent_attention(q, None, w_q, np.eye(q.shape[-1]), w_k, w_v, w_o, scale=3**-0.5, **rotated)


def _at_rest(q):
    """Rotated keys, and queries that have no rotated part."""
    return {"w_qr": np.zeros((4, 2, q.shape[-1])), "w_kr": np.ones((2, q.shape[-1]))}


def _one_latent_head(q):
    """Latent attention in which every head expands keys and values alike; and the weights of multi-query attention."""
    c = q.shape[-1]
    w_uq, w_o, w_uk, w_uv, w_dkv = _drawn(2, (4, 3, c), (4, c, 5), (3, 2), (5, 2), (2, c))
    out = latent_attention(q, None, w_uq, w_dkv, np.stack([w_uk] * 4), np.stack([w_uv] * 4), w_o)
    return out, {"w_q": w_uq, "w_k": w_uk @ w_dkv, "w_v": w_uv @ w_dkv, "w_o": w_o}


EDGES = (
    Equivalence(
        "multihead_attention",
        "softmax_attention",
        "every head's projections pick its own queries, keys and values",
        _multihead_that_picks,
        lambda q, k, v: _beside(softmax_attention(q, k, v, causal=True)),
    ),
    Equivalence(
        "multihead_attention",
        "softmax_attention",
        "there is one head, and its projections are the identity",
        lambda q, k, v: _multihead(q, [np.eye(8)[None]] * 4, y=k),
        lambda q, k, v: softmax_attention(q, k, k),
    ),
    Equivalence(
        "multihead_attention",
        "multihead_attention",
        "W_k and W_q are merged, and W_o and W_v",
        lambda q, k, v: _multihead(q, _weights(q)),
        _merged,
    ),
    Equivalence(
        "multihead_attention",
        "sum over heads",
        "heads are taken one at a time",
        lambda q, k, v: _multihead(q, _weights(q), y=k, causal=True),
        lambda q, k, v: sum(_multihead(q, [w[i : i + 1] for w in _weights(q)], y=k, causal=True) for i in range(4)),
    ),
    Equivalence(
        "multiquery_attention",
        "multihead_attention",
        "all heads have the same keys and values",
        lambda q, k, v: _multiquery(q, _weights(q)),
        lambda q, k, v: _multihead(q, _shared(_weights(q), 1)),
    ),
    Equivalence(
        "multiquery_attention",
        "softmax_attention",
        "projections pick the queries of each head, and keys and values of one",
        _multiquery_that_picks,
        lambda q, k, v: _beside(softmax_attention(q, k[1], v[1])),
    ),
    Equivalence(
        "grouped_query_attention",
        "multihead_attention",
        "groups are of one head",
        lambda q, k, v: _grouped(q, k, v, 4, causal=True),
        lambda q, k, v: _multihead(q, _weights(q), causal=True),
    ),
    Equivalence(
        "grouped_query_attention",
        "multiquery_attention",
        "there is one group",
        lambda q, k, v: _grouped(q, k, v, 1),
        lambda q, k, v: _multiquery(q, _weights(q)),
    ),
    Equivalence(
        "grouped_query_attention",
        "multihead_attention",
        "key and value heads are repeated, neighbours alike",
        lambda q, k, v: _grouped(q, k, v, 2),
        lambda q, k, v: _multihead(q, _shared(_weights(q), 2)),
    ),
    Equivalence(
        "grouped_query_attention",
        "softmax_attention",
        "grouped=True, and projections pick queries, keys and values",
        _grouped_that_picks,
        lambda q, k, v: _beside(softmax_attention(q, k[:2], v[:2], grouped=True)),
    ),
    Equivalence(
        "latent_attention",
        "multihead_attention",
        "nothing turns, and pairs of its factors are multiplied",
        lambda q, k, v: _latent(q)[0],
        lambda q, k, v: _expanded(q),
    ),
    Equivalence(
        "latent_attention",
        "multihead_attention",
        "the latent vectors are the tokens, and nothing turns",
        lambda q, k, v: _factored(q),
        lambda q, k, v: _multihead(q, _weights(q)),
    ),
    Equivalence(
        "latent_attention",
        "multihead_attention",
        "the rotated part of the queries is zero",
        lambda q, k, v: _factored(q, **_at_rest(q)),
        lambda q, k, v: _multihead(q, _weights(q)),
    ),
    Equivalence(
        "latent_attention",
        "multiquery_attention",
        "all heads expand keys and values alike, and nothing turns",
        lambda q, k, v: _one_latent_head(q)[0],
        lambda q, k, v: multiquery_attention(q, **_one_latent_head(q)[1]),
    ),
    Equivalence(
        "multihead_attention",
        "alibi",
        "the slopes are its bias, and projections pick queries, keys and values",
        lambda q, k, v: _multihead_that_picks(q, k, v, bias=alibi(4, 150, 150, like=q)),
        lambda q, k, v: _beside(softmax_attention(q, k, v, bias=alibi(4, 150, 150, like=q), causal=True)),
    ),
)
