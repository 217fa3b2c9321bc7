r"""
Why gradients vanish, and why they explode
==========================================

What a state owes to an earlier one is a product of Jacobians, :math:`\partial s_t / \partial s_0 = J_t \cdots J_1`.
Products of many matrices do what the power method does with one: they grow or shrink like the power of a number, and
few directions are left (Bengio et al. 1994, Pascanu et al. 2013).
"""

from functools import partial

import matplotlib.pyplot as plt
import numpy as np

from factorattn.model.recurrent import (
    gru_parameters,
    gru_step,
    jacobian_bound,
    jacobian_products,
    lstm_parameters,
    lstm_step,
    recurrent_parameters,
    recurrent_step,
    spectral_radius,
    step_jacobians,
)

n, c, hidden = 200, 8, 32
rng = np.random.default_rng(0)
x = rng.standard_normal((n, c))
times = np.arange(1, n + 1)


def norms(parameters, step):
    """Decimal logarithms of the norms of ds_t / ds_0, which no float need hold, and the products over their norms."""
    products, logs = jacobian_products(step_jacobians(parameters, x, step=step))
    scale = np.linalg.norm(products, 2, axis=(-2, -1))
    return (logs + np.log(scale)) / np.log(10), products / scale[:, None, None]


# %%
# The power method
# ----------------
# Without an activation every Jacobian is the matrix U itself. Its powers go like its largest eigenvalue: the slope of
# each line is the logarithm of the spectral radius (dotted). How it begins is up to the largest singular value.

gaussian = rng.standard_normal((hidden, hidden))
gaussian /= spectral_radius(gaussian)
linear = partial(recurrent_step, activation="identity")

figure, (powers, bounds, cells) = plt.subplots(1, 3, figsize=(12, 4.2), layout="constrained")
for number, radius in enumerate((0.9, 1.0, 1.1)):
    parameters = recurrent_parameters(c, hidden, rng=0)
    parameters["recurrent"]["weight"] = radius * gaussian
    found, directions = norms(parameters, linear)
    powers.plot(times, found, color=f"C{number}", label=f"radius {radius}")
    powers.plot(times, times * np.log10(radius), ":", color="0.4", lw=1)
powers.set(title="no activation: powers of one matrix", ylabel=r"$\log_{10} \|\partial s_t / \partial s_0\|$")

# %%
# The bound
# ---------
# The slope of tanh is at most 1, so no norm is above the t-th power of the largest singular value of U (dashed, here of
# an orthogonal matrix times a number). Below 1 gradients vanish for sure. Above 1 they may explode, and need not: units
# near the ends of tanh have small slopes. At 1.3 they still vanish; at 3 they explode, far below the bound.

for number, size in enumerate((0.8, 1.0, 1.3, 3.0)):
    parameters = recurrent_parameters(c, hidden, rng=0, draw="orthogonal")
    parameters["recurrent"]["weight"] *= size
    found, _ = norms(parameters, recurrent_step)
    bounds.plot(times, found, color=f"C{number}", label=f"{size} times orthogonal")
    bounds.plot(times, times * np.log10(float(jacobian_bound(parameters))), "--", color=f"C{number}", lw=1)
bounds.set(title="tanh: below the bound", ylim=(-45, 25))

# %%
# The cells
# ---------
# Gates carry the state on by a sum. What is left after two hundred steps is a matter of how far they are open: the bias
# of the forget gates decides over forty decades.

drawn = {
    "tanh": (recurrent_parameters(c, hidden, rng=0), recurrent_step),
    "GRU": (gru_parameters(c, hidden, rng=0), gru_step),
    "LSTM, forget bias 0": (lstm_parameters(c, hidden, rng=0, forget=0.0), lstm_step),
    "LSTM, forget bias 1": (lstm_parameters(c, hidden, rng=0, forget=1.0), lstm_step),
    "LSTM, forget bias 4": (lstm_parameters(c, hidden, rng=0, forget=4.0), lstm_step),
}
for name, (parameters, step) in drawn.items():
    cells.plot(times, norms(parameters, step)[0], label=name)
cells.set(title="cells, before any training", ylim=(-45, 5))
for axis in (powers, bounds, cells):
    axis.set(xlabel="steps", xlim=(0, n))
    axis.grid(color="0.92")
    axis.legend(frameon=False, fontsize=8)
plt.show()

# %%
# Few directions are left
# -----------------------
# The singular values of the product, over the largest. After some tens of steps the Jacobian is a matrix of low rank,
# to the precision of floating-point numbers: whatever the loss, its gradients by early states lie in a plane or two.
# An orthogonal matrix without activation keeps all directions.

orthogonal = recurrent_parameters(c, hidden, rng=0, draw="orthogonal")
shown = {"powers of a Gaussian matrix": directions}
shown["tanh, uniform"] = norms(drawn["tanh"][0], recurrent_step)[1]
shown["no activation, orthogonal"] = norms(orthogonal, linear)[1]
figure, axes = plt.subplots(1, 3, figsize=(12, 3.6), layout="constrained", sharey=True)
for axis, (title, products) in zip(axes, shown.items(), strict=True):
    values = np.linalg.svd(products, compute_uv=False)
    axis.semilogy(times, np.maximum(values, 1e-17), lw=0.7)
    axis.set(title=title, xlabel="steps", xlim=(0, n), ylim=(1e-17, 3))
axes[0].set_ylabel("singular values over the largest")
plt.show()
