"""
Cost from a thousand tokens to a hundred million
================================================

Operations and memory of every mechanism as a sequence grows, read off the mechanisms' own text. Nothing is computed: the arrays
have shapes and no values.
"""

import matplotlib.pyplot as plt

from factorattn import CATALOGUE, cost

fixed = {"d": 64, "e": 64, "r": 256, "w": 256, "g": 16}
lengths = [2**power for power in range(10, 25, 2)]
counts = {
    name: [cost(f, {**fixed, "n": n, "m": n}) for n in lengths]
    for name, f in CATALOGUE.items()
    if name != "lowrank_attention"  # cubic: an aid to understanding, and no alternative
}

# %%
# The streaming form of exact attention needs no more memory than the linear mechanisms do. What grows is its time.

figure, (time, memory) = plt.subplots(1, 2, figsize=(10, 4.4), layout="constrained")
for marker, (name, costs) in zip("osD^vP", counts.items(), strict=True):
    label = name.removesuffix("_attention")
    time.loglog(lengths, [c.flops for c in costs], marker=marker, markersize=4, base=2, label=label)
    memory.loglog(lengths, [c.peak / 2**20 for c in costs], marker=marker, markersize=4, base=2)
dense = [cost(CATALOGUE["softmax_attention"], {**fixed, "n": n, "m": n}, form="dense").peak / 2**20 for n in lengths]
memory.loglog(lengths, dense, color="0.4", linestyle="--", base=2, label="softmax, dense form")
time.set(yscale="log", xlabel="length $n = m$", title="operations")
memory.set(yscale="log", xlabel="length $n = m$", title="MiB held beside the inputs, float32")
for axis in (time, memory):
    axis.grid(which="major", color="0.92")
handles = [sum(pair, []) for pair in zip(*(axis.get_legend_handles_labels() for axis in (time, memory)), strict=True)]
figure.legend(*handles, loc="outside lower center", ncols=4, frameon=False)
plt.show()
