"""
Error against cost
==================

Every approximation of softmax attention buys speed with error. How much, on real heads?

The input is two heads of a pretrained Transformer, a *peaked* one and a *diffuse* one, over 1,024 tokens. Each
mechanism's knob is turned: the rank :math:`r` of Performer, Linformer and the truncated SVD, the window :math:`w` of
window attention and Longformer. Cost is counted by running the same functions on arrays without values.
"""

import matplotlib.pyplot as plt
import numpy as np

from factorattn import (
    cost,
    linformer_attention,
    longformer_attention,
    lowrank_attention,
    performer_attention,
    softmax_attention,
    window_attention,
)
from factorattn.data import load_minilm

n = 1024
q, k, v = load_minilm(n=n, dtype="float64")
exact = softmax_attention(q, k, v)
sizes = {"n": n, "m": n, "d": 32, "e": 32}


def relative_error(o):
    """Of both heads: the Frobenius norm of the error over that of the exact output."""
    return np.linalg.norm(o - exact, axis=(-2, -1)) / np.linalg.norm(exact, axis=(-2, -1))


# %%
# Turn the knobs
# --------------
# Performer is random: its error is the median of nine draws.

ranks = [8, 16, 32, 64, 128, 256, 512]
windows = [64, 128, 256, 512]
everywhere = tuple(range(0, n, 64))  # Longformer's global tokens: every 64th


def performer_error(r):
    return np.median([relative_error(performer_attention(q, k, v, rank=r, rng=seed)) for seed in range(9)], axis=0)


curves = {
    "window": (
        [cost(window_attention, {**sizes, "w": w}).flops for w in windows],
        [relative_error(window_attention(q, k, v, window=w)) for w in windows],
    ),
    "Longformer, 16 global tokens": (
        [cost(longformer_attention, {**sizes, "w": w, "g": 16}).flops for w in windows],
        [relative_error(longformer_attention(q, k, v, window=w, global_tokens=everywhere)) for w in windows],
    ),
    "Linformer, untrained": (
        [cost(linformer_attention, {**sizes, "r": r}).flops for r in ranks],
        [relative_error(linformer_attention(q, k, v, rank=r)) for r in ranks],
    ),
    "Performer": (
        [cost(performer_attention, {**sizes, "r": r}).flops for r in ranks],
        [performer_error(r) for r in ranks],
    ),
}

# %%
# The yardstick
# -------------
# The best weights of rank :math:`r` are those of the truncated singular value decomposition. Finding them costs more
# than exact attention, so they are drawn at the cost of *applying* two thin factors, :math:`2 r (m e + n e)`: what a
# perfect mechanism of rank :math:`r` would have to pay at least.

yardstick = (
    [2 * r * (n * 32 + n * 32) for r in ranks],
    [relative_error(lowrank_attention(q, k, v, rank=r)) for r in ranks],
)

# %%
# The picture
# -----------

whole = cost(softmax_attention, sizes).flops
figure, axes = plt.subplots(1, 2, figsize=(10, 4.6), sharex=True, sharey=True, layout="constrained")
for head, (axis, title) in enumerate(zip(axes, ["a peaked head", "a diffuse head"], strict=True)):
    for marker, (label, (flops, errors)) in zip("osD^", curves.items(), strict=True):
        look = {"markersize": 9, "fillstyle": "none"} if label == "window" else {"markersize": 5}  # near Longformer's
        axis.plot(np.divide(flops, whole), np.array(errors)[:, head], marker=marker, label=label, **look)
    flops, errors = yardstick
    axis.plot(
        np.divide(flops, whole), np.array(errors)[:, head], "--", color="0.3", label="truncated SVD, factors given"
    )
    axis.axvline(1, color="0.7", linewidth=1, zorder=0)
    axis.text(0.97, 0.011, "exact attention", rotation=90, ha="right", va="bottom", color="0.45", fontsize=8)
    axis.set(title=title, xscale="log", yscale="log", xlabel="operations, relative to exact attention")
    axis.grid(which="major", color="0.92")
axes[0].set_ylim(1e-2, 2)
axes[0].set_ylabel("relative error of the output")
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
plt.show()

# %%
# Read it downwards: at a given cost, whose error is least? A curve that crosses the vertical line costs more than what
# it approximates. The distance between a low-rank mechanism and the dashed line is what better factors could gain.
