"""Mechanisms at the end of their range are other mechanisms. Each line is one edge, tested to rounding."""

import numpy as np
import pytest

import factorattn as fa
from factorattn.testing import ROUNDING

N, D, E, H = 150, 8, 5, 4


def exact(q, k, v):
    return fa.softmax_attention(q, k, v, form="dense")


EDGES = {
    "window as wide as the sequence = softmax": (lambda q, k, v: fa.window_attention(q, k, v, window=N), exact),
    "window = softmax with a window": (
        lambda q, k, v: fa.window_attention(q, k, v, window=9),
        lambda q, k, v: fa.softmax_attention(q, k, v, window=9),
    ),
    "causal window as wide as the sequence = causal softmax": (
        lambda q, k, v: fa.window_attention(q, k, v, window=N, causal=True),
        lambda q, k, v: fa.softmax_attention(q, k, v, causal=True),
    ),
    "causal softmax = softmax with window (None, 0)": (
        lambda q, k, v: fa.softmax_attention(q, k, v, causal=True),
        lambda q, k, v: fa.softmax_attention(q, k, v, window=(None, 0)),
    ),
    "causal softmax = softmax with a lower triangular mask": (
        lambda q, k, v: fa.softmax_attention(q, k, v, causal=True),
        lambda q, k, v: fa.softmax_attention(q, k, v, mask=np.tri(N, dtype=bool)),
    ),
    "mask = bias of 0 and -inf": (
        lambda q, k, v: fa.softmax_attention(q, k, v, mask=np.tri(N, dtype=bool)),
        lambda q, k, v: fa.softmax_attention(q, k, v, bias=np.where(np.tri(N, dtype=bool), 0.0, -np.inf)),
    ),
    "longformer without global tokens = window": (
        lambda q, k, v: fa.longformer_attention(q, k, v, window=9, global_tokens=()),
        lambda q, k, v: fa.window_attention(q, k, v, window=9),
    ),
    "longformer with every token global = softmax": (
        lambda q, k, v: fa.longformer_attention(q, k, v, window=1, global_tokens=range(N)),
        exact,
    ),
    "longformer as wide as the sequence = softmax": (
        lambda q, k, v: fa.longformer_attention(q, k, v, window=N, global_tokens=(3, 77)),
        exact,
    ),
    "linformer with E = F = I is softmax": (lambda q, k, v: fa.linformer_attention(q, k, v, np.eye(N)), exact),
    "linformer with segments of one key is softmax": (lambda q, k, v: fa.linformer_attention(q, k, v, rank=N), exact),
    "linformer with a permutation is softmax": (
        lambda q, k, v: fa.linformer_attention(q, k, v, np.eye(N)[::-1].copy()),
        exact,
    ),
    "low rank with all singular values is softmax": (lambda q, k, v: fa.lowrank_attention(q, k, v, rank=N), exact),
    "one key head per query head is multi-head attention": (
        lambda q, k, v: fa.softmax_attention(q, k, v, grouped=True),
        exact,
    ),
    "one key head for all is a broadcast": (
        lambda q, k, v: fa.softmax_attention(q, k[:1], v[:1], grouped=True),
        lambda q, k, v: fa.softmax_attention(q, k[:1], v[:1]),
    ),
    "grouped heads are repeated heads": (
        lambda q, k, v: fa.softmax_attention(q, k[:2], v[:2], grouped=True),
        lambda q, k, v: fa.softmax_attention(q, np.repeat(k[:2], 2, axis=0), np.repeat(v[:2], 2, axis=0)),
    ),
    "a softcap far above the logits is none": (lambda q, k, v: fa.softmax_attention(q, k, v, softcap=1e9), exact),
    "zero scale is the mean": (
        lambda q, k, v: fa.softmax_attention(q, k, v, scale=0.0),
        lambda q, k, v: np.broadcast_to(v.mean(axis=-2, keepdims=True), v.shape),
    ),
    "a window of the own key alone is the value": (
        lambda q, k, v: fa.softmax_attention(q, k, v, window=0),
        lambda q, k, v: v,
    ),
    "performer with omega = 0 weighs keys by exp(-|k|^2 / 2 sqrt(d))": (
        lambda q, k, v: fa.performer_attention(q, k, v, np.zeros((3, D))),
        lambda q, k, v: fa.softmax_attention(
            q, k, v, scale=0.0, bias=-np.sum(k * k, axis=-1)[..., None, :] / (2 * D**0.5)
        ),
    ),
    "performer with every direction twice is the same": (
        lambda q, k, v: fa.performer_attention(q, k, v, np.concatenate([OMEGA, OMEGA])),
        lambda q, k, v: fa.performer_attention(q, k, v, OMEGA),
    ),
    "linear attention of large positive inputs is linear in them": (
        lambda q, k, v: fa.linear_attention(np.abs(q), np.abs(k), v),
        lambda q, k, v: _normalised((np.abs(q) + 1) @ (np.abs(k) + 1).mT) @ v,
    ),
}
OMEGA = np.random.default_rng(1).standard_normal((16, D))


def _normalised(weights):
    return weights / weights.sum(axis=-1, keepdims=True)


@pytest.mark.parametrize(("left", "right"), EDGES.values(), ids=EDGES)
def test_edge_holds(left, right, rng):
    q, k, v = (rng.standard_normal((H, N, width)) for width in (D, D, E))
    got, want = left(q, k, v), right(q, k, v)
    assert got.shape == want.shape
    assert np.max(np.abs(got - want)) <= np.max(np.abs(want)) * ROUNDING(np.float64, N)


def _error(f, inputs, **options):
    want = fa.softmax_attention(*inputs, form="dense")
    return np.linalg.norm(f(*inputs, **options) - want) / np.linalg.norm(want)


@pytest.mark.parametrize(
    ("f", "settings"),
    [
        (fa.window_attention, [{"window": w} for w in (1, 4, 16, 64, N)]),
        (fa.longformer_attention, [{"window": w} for w in (1, 4, 16, 64, N)]),
        (fa.lowrank_attention, [{"rank": r} for r in (1, 2, 4, 8, 16, 32, 64, N)]),
        (fa.linformer_attention, [{"rank": r} for r in (1, 5, 15, 50, N)]),
    ],
    ids=lambda x: getattr(x, "__name__", None),
)
def test_error_falls_with_the_knob_on_smooth_input(f, settings, rng):
    """Keys that drift slowly, and a recency that rewards near ones: what each approximation hopes for."""
    t = np.linspace(0, 3, N)[:, None]
    x = np.concatenate(
        [np.cos(2.0**i * t) for i in range(D // 2)] + [np.sin(2.0**i * t) for i in range(D // 2)], axis=1
    )
    inputs = 4 * x, x, np.concatenate([t, t**2, np.sin(t)], axis=1)
    errors = [_error(f, inputs, **options) for options in settings]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] <= ROUNDING(np.float64, N)


def test_error_of_performer_falls_as_one_over_the_root_of_its_rank(rng):
    inputs = [0.5 * rng.standard_normal((N, D)) for _ in range(3)]
    few, many = (
        np.mean([_error(fa.performer_attention, inputs, rank=r, rng=seed) ** 2 for seed in range(40)])
        for r in (64, 1024)
    )
    assert 8 < few / many < 32  # 16, up to a factor of two: the quotient of two estimates has terms of higher order
