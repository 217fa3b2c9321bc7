r"""
Noam's learning rate
====================

The Transformer was trained with a rate that grows linearly for 4,000 steps and then falls with the inverse square root
of the step, :math:`c^{-1/2} \min(t^{-1/2}, t \, w^{-3/2})` for the width :math:`c` and a warm-up of :math:`w` steps.
"""

import matplotlib.pyplot as plt
import numpy as np

from factorattn.model.schedule import noam

steps = np.arange(1, 20001)
settings = {(512, 4000): "C0", (512, 8000): "C1", (256, 4000): "C2"}

figure, axis = plt.subplots(figsize=(8, 4.2), layout="constrained")
for (c, warmup), colour in settings.items():
    rates = noam(steps, c=c, warmup=warmup)
    peak = noam(warmup, c=c, warmup=warmup)
    axis.plot(steps, rates, color=colour, label=f"$c = {c}$, warm-up {warmup:,}")
    axis.plot(warmup, peak, "o", color=colour, markersize=5)
    axis.annotate(f"{peak:.2e}", (warmup, peak), xytext=(8, 4), textcoords="offset points", color=colour, fontsize=9)
axis.set(xlabel="step", ylabel="learning rate", xlim=(0, 20000), ylim=(0, 1.12e-3))
axis.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))
axis.grid(color="0.92")
axis.legend(frameon=False)
plt.show()

# %%
# The highest rate is :math:`1 / \sqrt{c \, w}`, at the end of the warm-up. A wider model has a lower one; a longer
# warm-up lowers the peak, and behind it the curves of one width are the same.
