"""
Gradients, with and without warm-up
===================================

Why does a Transformer need warm-up? Huang et al. drew histograms of its gradients, step by step. Here a small one
learns to put the vowels back into pieces of "Pride and Prejudice", three times, with the same rate of Adam in the end:

- with layer norms behind the sums, as in the first paper, and the full rate from the first step;
- the same with a linear warm-up;
- without norms or warm-up, its weights scaled by T-Fixup.
"""

import textwrap
from functools import partial

import matplotlib.pyplot as plt
import numpy as np

from factorattn import value_and_grad
from factorattn.data import load_sentences
from factorattn.interpret.tree import tree_leaves
from factorattn.model.initialize import t_fixup
from factorattn.model.optimizer import adam, adam_init
from factorattn.model.schedule import linear
from factorattn.model.seq2seq import cross_entropy, shift
from factorattn.model.transformer import transformer, transformer_parameters

# %%
# The task
# --------
# The source is a piece without its vowels, the target the piece. Number 0 is padding, 1 the beginning.

longest, steps, batch = 24, 60, 8
pieces = [piece for text in load_sentences().text for piece in textwrap.wrap(text.lower(), longest) if len(piece) > 8]
number = {letter: 2 + i for i, letter in enumerate(sorted(set("".join(pieces))))}


def rows(texts):
    numbers = np.zeros((len(texts), longest), np.int64)
    for row, text in zip(numbers, texts, strict=True):
        row[: len(text)] = [number[letter] for letter in text]
    return numbers


targets = rows(pieces)
sources = rows(["".join(letter for letter in piece if letter not in "aeiou") for piece in pieces])
print(f"{len(pieces)} pieces: {pieces[1]!r} from {''.join(x for x in pieces[1] if x not in 'aeiou')!r}")

# %%
# Three runs
# ----------
# Four layers in the encoder and in the decoder. All gradients of each step are kept.

layers, c, heads, hidden, rate = 4, 32, 4, 64, 0.005


def loss(parameters, source, target, norm):
    logits = transformer(parameters, source, shift(target, 1), heads=heads, source_mask=source > 0, norm=norm)
    return cross_entropy(logits, target, mask=target > 0)


def run(norm, warmup, draw=lambda parameters, rng: parameters):
    parameters = draw(
        transformer_parameters(2 + len(number), layers, c, heads, hidden, norm=norm, rng=0, dtype="float32"), rng=0
    )
    state, rng, losses, gradients = adam_init(parameters), np.random.default_rng(0), [], []
    step = value_and_grad(partial(loss, norm=norm))
    for t in range(1, steps + 1):
        chosen = rng.integers(len(pieces), size=batch)
        value, gradient = step(parameters, sources[chosen], targets[chosen])
        losses.append(float(value))
        gradients.append(np.concatenate([x.ravel() for x in tree_leaves(gradient)]))
        share = linear(t, warmup=warmup) if warmup else 1.0
        parameters, state = adam(parameters, gradient, state, rate=share * rate, beta2=0.98)
    return np.asarray(losses), np.asarray(gradients)


runs = {
    "layer norms, no warm-up": run("post", None),
    "layer norms, warm-up": run("post", steps),
    "T-Fixup: no norms, no warm-up": run("none", None, t_fixup),
}

# %%
# The histograms
# --------------
# A column is the histogram of the logarithms of all gradients at one step; the line is their median. Gradients that are
# zero exactly, as of letters that a batch does not have, are left out.

figure = plt.figure(figsize=(10, 7), layout="constrained")
grid = figure.add_gridspec(2, 3, height_ratios=[3, 2])
edges = np.linspace(-10, 0, 81)
first = None
for column, (title, (_, gradients)) in enumerate(runs.items()):
    axis = first = figure.add_subplot(grid[0, column], sharey=first)
    logs = [np.log10(np.abs(g[g != 0])) for g in gradients]
    shares = np.stack([np.histogram(x, edges)[0] / len(x) for x in logs], axis=1)
    picture = axis.pcolormesh(np.arange(steps + 1) + 0.5, edges, shares, cmap="magma_r", vmin=0, vmax=0.06)
    axis.plot(range(1, steps + 1), [np.median(x) for x in logs], color="C0", linewidth=1.5)
    axis.set(title=title, xlabel="step")
    axis.tick_params(labelleft=column == 0)
figure.axes[0].set_ylabel(r"$\log_{10} |g|$")
figure.colorbar(picture, ax=figure.axes, label="share of the gradients", extend="max", pad=0.01)
axis = figure.add_subplot(grid[1, :])
for title, (losses, _) in runs.items():
    axis.plot(range(1, steps + 1), losses, label=title)
counts = np.unique(targets[targets > 0], return_counts=True)[1]
unigram = -np.sum(counts / counts.sum() * np.log(counts / counts.sum()))
axis.axhline(unigram, color="0.5", linestyle="--", linewidth=1, label="frequencies of letters alone")
axis.set(xlabel="step", ylabel="cross-entropy, nats", xlim=(1, steps))
axis.grid(color="0.92")
axis.legend(frameon=False)
plt.show()

print(f"frequencies of letters alone   loss {unigram:.2f}")
for title, (losses, gradients) in runs.items():
    medians = [np.median(np.abs(g[g != 0])) for g in (gradients[0], gradients[-1])]
    print(f"{title:30} loss {losses[-10:].mean():.2f}; median gradient {medians[0]:.0e} -> {medians[1]:.0e}")

# %%
# Without warm-up the gradients of the model with norms vanish in a few steps, and the loss stays where a model is that
# knows nothing but how often each letter comes. A warm-up keeps them larger by about two orders of magnitude, but 60
# steps are too few for it: its loss is no lower yet. Weights that are scaled for the depth need neither norms nor
# warm-up: the gradients stay, and the loss goes on falling. (The runs are small and short: they show the gradients, not
# how good each way is in the end.)
