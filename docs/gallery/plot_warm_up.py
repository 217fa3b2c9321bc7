r"""
Warm-up by rule and by rectification
====================================

RAdam multiplies Adam's rate by a factor :math:`r_t` that it derives from :math:`\beta_2`. Ma and Yarats answered that
the two plainest warm-ups, whose lengths follow from :math:`\beta_2` too, do the same. The three, for :math:`\beta_2 =
0.999`, over 18,000 steps.
"""

import matplotlib.pyplot as plt
import numpy as np

from factorattn.model.optimizer import rectification
from factorattn.model.schedule import untuned_exponential, untuned_linear

beta2 = 0.999
steps = np.arange(1, 18001)
curves = {
    "RAdam's $r_t$": rectification(steps, beta2=beta2),
    r"linear, $\min(1, (1 - \beta_2)\, t / 2)$": untuned_linear(steps, beta2=beta2),
    r"exponential, $1 - \exp(-(1 - \beta_2)\, t)$": untuned_exponential(steps, beta2=beta2),
}

figure, (whole, first) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained", width_ratios=[3, 2])
for label, curve in curves.items():
    whole.plot(steps, curve, label=label)
    first.plot(steps[:20], curve[:20], ".-")
whole.set(xlabel="step", ylabel="share of the full learning rate", xlim=(0, 18000), ylim=(0, 1.04))
first.set(xlabel="step", title="the first 20 steps", xlim=(0, 20.5), xticks=[1, 5, 10, 15, 20], ylim=(0, None))
for axis in (whole, first):
    axis.grid(color="0.92")
whole.legend(frameon=False, loc="lower right")
plt.show()

# %%
# What they withhold
# ------------------
# The sum of :math:`1 - w_t` is the number of full steps that a warm-up withholds.

for label, curve in curves.items():
    print(f"{np.sum(1 - curve):7.0f} steps   {label}")

# %%
# All withhold about 1,000 of the 18,000 steps, the two rules as many as each other. RAdam takes its first four steps
# along the plain momentum, with no adaptive rate that could be rectified; :math:`r_t` is drawn as zero there.
