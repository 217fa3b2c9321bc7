"""
What each mechanism attends to
==============================

Every mechanism here is linear in the values. Give it the identity for values, and the output *is* the matrix of
weights: no function needs an option to return it.
"""

import matplotlib.pyplot as plt
import numpy as np

from factorattn import (
    linear_attention,
    linformer_attention,
    longformer_attention,
    lowrank_attention,
    performer_attention,
    softmax_attention,
    window_attention,
)
from factorattn.data import load_minilm

n = 96
q, k, _ = (x[1] for x in load_minilm(n=n, dtype="float64"))  # the diffuse head
v = np.eye(n)

weights = {
    "softmax": softmax_attention(q, k, v),
    "softmax, causal": softmax_attention(q, k, v, causal=True),
    "window, $w = 12$": window_attention(q, k, v, window=12),
    "Longformer, $w = 12$": longformer_attention(q, k, v, window=12, global_tokens=(0, 40)),
    "truncated SVD, $r = 8$": lowrank_attention(q, k, v, rank=8),
    "Performer, $r = 256$": performer_attention(q, k, v, rank=256, rng=0),
    "Linformer, $r = 24$": linformer_attention(q, k, v, rank=24),
    "linear": linear_attention(q, k, v),
}

# %%
# Rows are queries, columns keys. The colours of all panels are the same.

figure, axes = plt.subplots(2, 4, figsize=(10, 5), layout="constrained", sharex=True, sharey=True)
for axis, (title, p) in zip(axes.flat, weights.items(), strict=True):
    picture = axis.imshow(p, vmin=0, vmax=0.06, cmap="magma_r", interpolation="nearest")
    axis.set_title(title, fontsize=10)
    axis.set(xticks=[], yticks=[])
figure.colorbar(picture, ax=axes, shrink=0.6, label="weight", extend="max")
plt.show()

# %%
# The low-rank matrix blurs what is sharp; the random features are noisy; the mixtures of Linformer are stripes, since
# untrained they average neighbours; linear attention is another kernel, and does not try to be the softmax.
