"""
Cost from a thousand tokens to sixteen million
==============================================

Operations and memory as a sequence grows, of exact attention and of one or two members of each family that would
replace it, read off the mechanisms' own text. Nothing is computed: the arrays have shapes and no values.
"""

import textwrap

import matplotlib.pyplot as plt

from factorattn import CATALOGUE, cost

fixed = {"d": 64, "e": 64, "r": 256, "w": 256, "g": 16, "t": 100, "u": 32, "p": 32}
lengths = [2**power for power in range(10, 25, 2)]
shown = ("softmax", "window", "longformer", "linformer", "nystrom", "linear", "performer", "improved_clustered")
counts = {
    f"{name}_attention": [
        cost(CATALOGUE[f"{name}_attention"], {**fixed, "n": n, "m": n}, without=("conv",)) for n in lengths
    ]
    for name in shown
}

# %%
# The streaming form of exact attention needs no more memory than the linear mechanisms do. What grows is its time.

figure, axes = plt.subplots(1, 2, figsize=(10, 4.4), layout="constrained")
series = {
    "operations": {name: [c.flops for c in costs] for name, costs in counts.items()},
    "MiB held beside the inputs, float32": {name: [c.peak / 2**20 for c in costs] for name, costs in counts.items()},
}
series["MiB held beside the inputs, float32"]["softmax, dense form"] = [
    cost(CATALOGUE["softmax_attention"], {**fixed, "n": n, "m": n}, form="dense").peak / 2**20 for n in lengths
]
colours = {name: f"C{index}" for index, name in enumerate(counts)}
for axis, (title, curves) in zip(axes, series.items(), strict=True):
    ends = {}  # curves that end within a factor of 6 share a label
    for name, values in sorted(curves.items(), key=lambda item: item[1][-1]):
        axis.plot(lengths, values, ".-" if name in counts else "--", color=colours.get(name, "0.4"))
        end = next((end for end in ends if values[-1] < 6 * end), values[-1])
        ends.setdefault(end, []).append(name.removesuffix("_attention"))
    for end, names in ends.items():
        label = textwrap.fill(", ".join(names), 22)
        axis.annotate(label, (lengths[-1], end), xytext=(6, 0), textcoords="offset points", va="center", fontsize=9)
    axis.set_xscale("log", base=2)
    axis.set(yscale="log", xlabel="length $n = m$", title=title, xticks=lengths)
    axis.grid(which="major", color="0.92")
    axis.spines[["top", "right"]].set_visible(False)
plt.show()
