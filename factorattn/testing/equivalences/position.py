"""Equivalences of `factorattn.position`: of ways to tell positions, and of attention with them."""

import numpy as np

from factorattn.attention import softmax_attention
from factorattn.position import (
    alibi,
    alibi_slopes,
    axial,
    convolutional,
    kerple,
    learned,
    music_relative,
    rotary,
    shaw_relative,
    shaw_values,
    sinusoidal,
    t5_relative,
    transformer_xl_relative,
)
from factorattn.testing.equivalences.edge import Equivalence

__all__ = ["EDGES"]


def _exact(q, k, v):
    return softmax_attention(q, k, v, form="dense")


def _turned(q, k, v, **options):
    return softmax_attention(rotary(q, **options), rotary(k, **options), v)


def _order(d):
    """Features 2 i first, then 2 i + 1."""
    return [*range(0, d, 2), *range(1, d, 2)]


def _multiplied(q):
    """The rotation as a matrix product: what angles make of features, written out for every position."""
    n, d = q.shape[-2:]
    turn = np.zeros((n, d, d))
    table = sinusoidal(n, d, like=q)
    for i in range(d // 2):
        sine, cosine = table[:, 2 * i], table[:, 2 * i + 1]
        turn[:, 2 * i, 2 * i], turn[:, 2 * i, 2 * i + 1] = cosine, -sine
        turn[:, 2 * i + 1, 2 * i], turn[:, 2 * i + 1, 2 * i + 1] = sine, cosine
    return (turn @ q[..., None])[..., 0]


def _pairs(d):
    """From all sines, then all cosines, to cos, -sin, cos, -sin, ..."""
    return np.eye(d)[[c // 2 + (c % 2 == 0) * d // 2 for c in range(d)]] * [[1 - c % 2 * 2] for c in range(d)]


def _grid(e_1, e_2):
    """The table of axial positions with its axes apart."""
    x, y = len(e_1), len(e_2)
    parts = np.broadcast_to(e_1[:, None], (x, y, e_1.shape[-1])), np.broadcast_to(e_2, (x, y, e_2.shape[-1]))
    return np.concatenate(parts, axis=-1).reshape(x * y, -1)


def _one_hot(x, width, first):
    """A small table as columns of a wide one."""
    wide = np.zeros((len(x), width))
    wide[:, first : first + x.shape[-1]] = x
    return wide


def _relation_aware(q, k, v, a_k, a_v):
    """Attention to keys and values that are other vectors for every pair, with all of these vectors held."""
    n, reach = q.shape[-2], len(a_k) // 2
    row = np.clip(np.arange(n) - np.arange(n)[:, None], -reach, reach) + reach
    logits = np.einsum("hid,hijd->hij", q, k[:, None] + a_k[row]) / q.shape[-1] ** 0.5
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    return np.einsum("hij,hije->hie", weights, v[:, None] + a_v[row])


def _shaw(q, k, v, a_k, a_v):
    weights = softmax_attention(q, k, np.eye(q.shape[-2]), bias=shaw_relative(q, a_k, q.shape[-2]))
    return weights @ v + shaw_values(weights, a_v)


def _windows(q, w):
    """Sums over three neighbours, with zeros beyond the ends."""
    padded = np.pad(q, ((0, 0), (1, 1), (0, 0)))
    return sum(padded[:, t : t + q.shape[-2]] @ w[t] for t in range(3))


EDGES = (
    Equivalence(
        "rotary",
        "rotary",
        "queries and keys are moved by the same number of positions",
        lambda q, k, v: _turned(q, k, v, offset=37),
        _turned,
    ),
    Equivalence(
        "rotary",
        "rotary",
        "features are reordered from interleaved pairs to halves",
        lambda q, k, v: _turned(q[..., _order(8)], k[..., _order(8)], v, layout="halves"),
        _turned,
    ),
    Equivalence(
        "rotary",
        "sinusoidal",
        "sines and cosines of the table are put into rotation matrices",
        lambda q, k, v: rotary(q),
        lambda q, k, v: _multiplied(q),
    ),
    Equivalence("rotary", "softmax_attention", "no feature turns", lambda q, k, v: _turned(q, k, v, size=0), _exact),
    Equivalence(
        "sinusoidal",
        "rotary",
        "position 0, the alternation of 0 and 1, is turned backwards",
        lambda q, k, v: sinusoidal(150, 8, like=q),
        lambda q, k, v: rotary(np.tile([0.0, 1.0], (150, 4)), -np.arange(150.0)),
    ),
    Equivalence(
        "sinusoidal",
        "sinusoidal",
        "its rows are shifted by rotating them",
        lambda q, k, v: sinusoidal(150, 8, like=q, offset=13),
        lambda q, k, v: rotary(sinusoidal(150, 8, like=q), np.full(150, -13.0)),
    ),
    Equivalence(
        "learned",
        "sinusoidal",
        "the table holds sines and cosines",
        lambda q, k, v: learned(sinusoidal(200, 8, like=q), 150, offset=20),
        lambda q, k, v: sinusoidal(150, 8, like=q, offset=20),
    ),
    Equivalence(
        "axial",
        "learned",
        "the grid is written out",
        lambda q, k, v: axial(q[0, :15], k[0, :10]),
        lambda q, k, v: learned(_grid(q[0, :15], k[0, :10])),
    ),
    Equivalence(
        "axial",
        "axial",
        "the sum is of tables with zeros where the other has numbers",
        lambda q, k, v: axial(q[0, :15], v[0, :10]),
        lambda q, k, v: axial(_one_hot(q[0, :15], 13, 0), _one_hot(v[0, :10], 13, 8), combine="sum"),
    ),
    Equivalence(
        "convolutional",
        "learned",
        "its kernels are zero",
        lambda q, k, v: convolutional(q, k, np.zeros((3, 8, 8)), np.zeros((3, 8, 8))),
        lambda q, k, v: q + learned(k),
    ),
    Equivalence(
        "convolutional",
        "convolution of three neighbours",
        "all gates are half open, and positions are zero",
        lambda q, k, v: 2 * (convolutional(q, 0 * q, k[0, :24].reshape(3, 8, 8), np.zeros((3, 8, 8))) - q),
        lambda q, k, v: _windows(q, k[0, :24].reshape(3, 8, 8)),
    ),
    Equivalence(
        "alibi",
        "softmax_attention",
        "slopes are zero",
        lambda q, k, v: softmax_attention(q, k, v, bias=0 * alibi(4, 150, 150, like=q)),
        _exact,
    ),
    Equivalence(
        "alibi",
        "softmax_attention",
        "the bias is slope times position of the key, under causality",
        lambda q, k, v: softmax_attention(q, k, v, bias=alibi(4, 150, 150, like=q), causal=True),
        lambda q, k, v: softmax_attention(
            q, k, v, bias=alibi_slopes(4, like=q)[:, None, None] * np.arange(150.0), causal=True
        ),
    ),
    Equivalence(
        "alibi",
        "softmax_attention",
        "a feature of the keys holds their position, and one of the queries the slope",
        lambda q, k, v: softmax_attention(q, k, v, bias=alibi(4, 150, 150, like=q), scale=0.5, causal=True),
        lambda q, k, v: softmax_attention(
            np.concatenate([q, np.broadcast_to(2 * alibi_slopes(4, like=q)[:, None, None], (4, 150, 1))], axis=-1),
            np.concatenate([k, np.broadcast_to(np.arange(150.0)[:, None], (4, 150, 1))], axis=-1),
            v,
            scale=0.5,
            causal=True,
        ),
    ),
    Equivalence(
        "kerple",
        "alibi",
        "the kernel is a power, and the power is one",
        lambda q, k, v: kerple(alibi_slopes(4, like=q), np.ones(4), 150, 150, kernel="power"),
        lambda q, k, v: alibi(4, 150, 150, like=q, symmetric=True),
    ),
    Equivalence(
        "kerple",
        "softmax_attention",
        "its first parameter is zero",
        lambda q, k, v: softmax_attention(q, k, v, bias=kerple(np.zeros(4), np.ones(4), 150, 150)),
        _exact,
    ),
    Equivalence(
        "t5_relative",
        "softmax_attention",
        "its table is zero",
        lambda q, k, v: softmax_attention(q, k, v, bias=t5_relative(np.zeros((4, 32)), 150, 150)),
        _exact,
    ),
    Equivalence(
        "t5_relative",
        "alibi",
        "there is a bucket for each distance, and its number is the slope times the distance",
        lambda q, k, v: t5_relative(
            -alibi_slopes(4, like=q)[:, None] * np.arange(300.0), 150, 150, distance=151, bidirectional=False
        ),
        lambda q, k, v: np.minimum(alibi(4, 150, 150, like=q), 0),
    ),
    Equivalence(
        "shaw_relative",
        "softmax_attention",
        "its vectors are zero",
        lambda q, k, v: _shaw(q, k, v, np.zeros((9, 8)), np.zeros((9, 5))),
        _exact,
    ),
    Equivalence(
        "shaw_relative",
        "attention to vectors of pairs",
        "a vector for the distance is added to keys and to values",
        lambda q, k, v: _shaw(q, k, v, k[0, :9], v[0, :9]),
        lambda q, k, v: _relation_aware(q, k, v, k[0, :9], v[0, :9]),
    ),
    Equivalence(
        "shaw_relative",
        "softmax_attention",
        "its reach is zero, and the one vector is added to all keys",
        lambda q, k, v: softmax_attention(q, k, v, bias=shaw_relative(q, k[0, :1], 150)),
        lambda q, k, v: softmax_attention(q, k + k[0, :1], v),
    ),
    Equivalence(
        "music_relative",
        "shaw_relative",
        "the reach is the whole sequence, under causality",
        lambda q, k, v: softmax_attention(q, k, v, bias=music_relative(q, k), causal=True),
        lambda q, k, v: softmax_attention(
            q, k, v, bias=shaw_relative(q, np.concatenate([k, k[:, :-1]], axis=-2), 150), causal=True
        ),
    ),
    Equivalence(
        "transformer_xl_relative",
        "softmax_attention",
        "its projection and both its vectors are zero",
        lambda q, k, v: softmax_attention(
            q, k, v, bias=transformer_xl_relative(q, k, np.zeros((8, 6)), np.zeros(8), np.zeros(8))
        ),
        _exact,
    ),
    Equivalence(
        "transformer_xl_relative",
        "softmax_attention",
        "there is no projection, and u is added to all queries",
        lambda q, k, v: softmax_attention(
            q, k, v, bias=transformer_xl_relative(q, k, np.zeros((8, 6)), k[0, 0], v=np.zeros(8), bidirectional=True)
        ),
        lambda q, k, v: softmax_attention(q + k[0, 0], k, v),
    ),
    Equivalence(
        "transformer_xl_relative",
        "music_relative",
        "the vectors of distances are projected sinusoids, and u and v are zero",
        lambda q, k, v: transformer_xl_relative(q, k, k[0, :8, :6], np.zeros(8), np.zeros(8)),
        lambda q, k, v: music_relative(
            q, np.flip(sinusoidal(150, 6, like=q, layout="halves"), axis=0) @ k[0, :8, :6].T
        ),
    ),
    Equivalence(
        "transformer_xl_relative",
        "rotary",
        "sinusoids are put side by side, and one key is turned by every position",
        lambda q, k, v: transformer_xl_relative(q, k, _pairs(8), np.zeros(8), np.zeros(8), bidirectional=True),
        lambda q, k, v: rotary(q) @ np.swapaxes(rotary(np.tile([1.0, 0.0], (150, 4))), -1, -2) / 8**0.5,
    ),
)
