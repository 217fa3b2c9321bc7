"""
Positional encodings
====================

A Transformer adds a vector to each token that tells where it stands: sines and cosines of the position, from fast ones
in the first features to slow ones in the last. Here are 2,000 positions of 500 features.
"""

import matplotlib.pyplot as plt
import numpy as np

from factorattn.position import sinusoidal

n, d = 2000, 500
e = sinusoidal(n, d, like=np.empty(0))

# %%
# The table
# ---------
# The paper has sines in the even columns and cosines in the odd ones. For the picture the same columns are sorted: all
# sines, then all cosines. The wavelengths grow from :math:`2 \pi` to nearly :math:`10000 \cdot 2 \pi` positions. The
# first ones are too short to be seen here; in the last columns 2,000 positions make less than a turn.

halves = sinusoidal(n, d, like=np.empty(0), layout="halves")
assert np.array_equal(halves[:, : d // 2], e[:, 0::2])

figure, (table, columns) = plt.subplots(2, 1, figsize=(9, 7.4), height_ratios=[2.4, 1], layout="constrained")
picture = table.imshow(halves.T, aspect="auto", cmap="RdBu", vmin=-1, vmax=1, interpolation="antialiased")
table.axhline(d / 2 - 0.5, color="black", linewidth=1)
table.set(xlabel="position", yticks=[0, 100, 200, 250, 350, 450])
table.set_yticklabels(["0", "200", "400", "1", "201", "401"])
table.set_ylabel("feature: cosines (odd), sines (even)")
figure.colorbar(picture, ax=table, label="value")
for column in (100, 200, 300, 400):
    columns.plot(e[:, column], label=f"feature {column}", linewidth=0.8 if column == 100 else 1.4)
columns.set(xlabel="position", ylabel="value", xlim=(0, n))
columns.legend(ncols=4, loc="upper center", bbox_to_anchor=(0.5, -0.3), frameon=False)
plt.show()

# %%
# Distances
# ---------
# The inner product of two rows depends on their distance alone: :math:`e_p \cdot e_{p + t} = \sum_i \cos(t / 10000^{2 i
# / d})`. It is largest for a position and itself, :math:`d / 2`, and falls off to both sides.

figure, axis = plt.subplots(figsize=(9, 3), layout="constrained")
for position in (500, 1000, 1500):
    axis.plot(e @ e[position] / (d / 2), label=f"with position {position}", linewidth=1)
axis.set(xlabel="position", ylabel=r"$e_p \cdot e_q \, / \, (d / 2)$", xlim=(0, n), ylim=(0, 1.2))
axis.grid(color="0.92")
axis.legend(frameon=False, loc="upper left", ncols=3)
plt.show()
