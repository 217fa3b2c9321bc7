"""
One matrix, many factors
========================

The weights of a head of attention are a matrix of numbers from 0 to 1, n of them for each of n tokens. What is it made
of? Each factorization is a guess about its structure. Here all of them are given the same two matrices, the weights of
a *peaked* and of a *diffuse* head of a pretrained Transformer over 256 tokens, and asked to get near with few
parameters.
"""

import matplotlib.pyplot as plt
import numpy as np

from factorattn.data import load_minilm
from factorattn.distribution import softmax
from factorattn.factor import (
    block_diagonal,
    butterfly,
    circulant,
    cur,
    interpolative,
    kronecker,
    monarch,
    nmf,
    tensor_train_matrix,
    toeplitz,
    truncated_svd,
)

n = 256
q, k, _ = load_minilm(n=n, dtype="float64")
weights = softmax(q @ np.swapaxes(k, -1, -2) / 32**0.5)  # (2, n, n)
heads = {"a peaked head": weights[0], "a diffuse head": weights[1]}


def measured(a, results):
    """Parameters, as a share of those of the matrix, and relative errors, of several results."""
    errors = [np.linalg.norm(a - f.to_dense()) / np.linalg.norm(a) for f in results]
    return [f.parameters / a.size for f in results], errors


# %%
# Those that are given a rank
# ---------------------------
# Of two thin factors, none is nearer than the truncated singular value decomposition. Columns of the matrix itself
# (interpolative, CUR) cost a little, and factors without negative numbers a little more. Sums of Kronecker products and
# tensor trains are of low rank, too, but of the matrix with its entries in another order.

ranks = [2, 4, 8, 16, 32, 64]


def ranked(a):
    return {
        "truncated SVD": [truncated_svd(a, r) for r in ranks],
        "interpolative": [interpolative(a, r) for r in ranks],
        "CUR": [cur(a, r, rng=0) for r in ranks],
        "nonnegative": [nmf(a, r, rng=0, iterations=50) for r in ranks],
        "Kronecker sums": [kronecker(a, r) for r in ranks],
        "tensor train": [tensor_train_matrix(a, r, row_modes=(4,) * 4, column_modes=(4,) * 4) for r in ranks],
        "Monarch": [monarch(a, r) for r in (1, 2, 4, 8)],
    }


# %%
# Those that have a fixed pattern
# -------------------------------
# A Toeplitz matrix knows nothing but the distance of two tokens, and a circulant one the same on a ring. Blocks on the
# diagonal are local attention; a butterfly has :math:`2 n \log_2 n` parameters.


def fixed(a):
    return {
        "Toeplitz": [toeplitz(a)],
        "circulant": [circulant(a)],
        "blocks": [block_diagonal(a, blocks=b) for b in (32, 16, 8, 4)],
        "butterfly": [butterfly(a)],
    }


# %%
# The picture
# -----------

figure, axes = plt.subplots(1, 2, figsize=(10, 5.2), sharex=True, sharey=True, layout="constrained")
for axis, (title, a) in zip(axes, heads.items(), strict=True):
    for marker, (label, results) in zip("os^vD<>", ranked(a).items(), strict=True):
        look = {"color": "black", "linewidth": 2} if label == "truncated SVD" else {}
        axis.plot(*measured(a, results), marker=marker, markersize=5, label=label, **look)
    for marker, (label, results) in zip("XP*h", fixed(a).items(), strict=True):
        axis.plot(*measured(a, results), marker=marker, markersize=8, linestyle=":", label=label)
    axis.axvline(1, color="0.7", linewidth=1, zorder=0)
    axis.set(title=title, xscale="log", yscale="log", xlabel="parameters, relative to the matrix")
    axis.grid(which="major", color="0.92")
axes[0].set_ylabel("relative error, Frobenius norm")
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=6, frameon=False)
plt.show()

# %%
# The diffuse head is a matter of few directions: low rank wins, and what is nearest is the truncated singular value
# decomposition. The peaked head looks at single tokens nearby, so that its weights lie along the diagonal, and of
# that a matrix of low rank can say little: sums of Kronecker products, tensor trains and Monarch matrices, which keep
# neighbours together, get nearer with the same number of parameters. This is why mechanisms that keep a window
# (:doc:`/attention/window_attention`) and those of low rank (:doc:`/attention/linformer_attention`) win on different
# heads.
