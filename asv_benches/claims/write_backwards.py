"""What attention buys: strings of letters that each model of sequences learns to write backwards.

Every model sees the same strings, 64 new ones a step; then it writes 1000 others by greedy decoding, of which those
without a mistake are counted. Prints the table of docs/model/seq2seq.md::

    python asv_benches/claims/write_backwards.py                              # the table
    python asv_benches/claims/write_backwards.py --models cho --steps 1500    # one model, for longer
"""

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from factorattn import value_and_grad
from factorattn.interpret.tree import tree_leaves
from factorattn.model import seq2seq as s
from factorattn.model.optimizer import adam, adam_init, clip_by_global_norm

LETTERS, LENGTH = 10, 8
START = LETTERS  # the token after the letters
EMBEDDED, HIDDEN = 16, 48
BATCH, HELD = 64, 1000
RATE, BOUND = 3e-3, 1.0


class Model(NamedTuple):
    """How a model is drawn, run over whole targets, started on sources, and run step by step."""

    parameters: Callable
    run: Callable
    encode: Callable
    step: Callable


def luong(attention: str) -> Model:
    form = s.Luong(attention=attention, score="general", window=3)
    return Model(*(partial(f, form=form) for f in (s.luong_parameters, s.luong, s.luong_encode, s.luong_step)))


MODELS = {
    "cho": Model(s.cho_parameters, s.cho, s.cho_encode, s.cho_step),
    "sutskever": Model(partial(s.sutskever_parameters, layers=1), s.sutskever, s.sutskever_encode, s.sutskever_step),
    "luong local-p": luong("local-p"),
    "luong global": luong("global"),
    "bahdanau": Model(s.bahdanau_parameters, s.bahdanau, s.bahdanau_encode, s.bahdanau_step),
}


def learned(model: Model, steps: int, rng: np.random.Generator) -> Any:
    """Parameters after so many steps of Adam, with gradients clipped to a length."""
    parameters = model.parameters(LETTERS, LETTERS + 1, embedded=EMBEDDED, hidden=HIDDEN, rng=0, dtype="float32")
    state = adam_init(parameters)

    def loss(parameters, source, inputs, target):
        return s.cross_entropy(model.run(parameters, source, inputs), target)

    for _ in range(steps):
        source = rng.integers(LETTERS, size=(BATCH, LENGTH))
        target = source[:, ::-1].copy()
        _, gradients = value_and_grad(loss)(parameters, source, s.shift(target, START), target)
        gradients, _ = clip_by_global_norm(gradients, BOUND)
        parameters, state = adam(parameters, gradients, state, rate=RATE)
    return parameters


def right(model: Model, parameters: Any, source: np.ndarray) -> float:
    """The share of strings that are written backwards without a mistake."""
    begin, start = model.encode(parameters, source), np.full(len(source), START)
    found = s.greedy(partial(model.step, parameters), begin, start, end=None, maximum=LENGTH).tokens
    return float(np.mean(np.all(found == source[:, ::-1], axis=1)))


def main() -> None:
    read = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    read.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    read.add_argument("--steps", type=int, default=150)
    asked = read.parse_args()
    print(f"after {asked.steps} steps\n\n| model | numbers | right |\n|---|---|---|")
    for name in asked.models:
        model, rng = MODELS[name], np.random.default_rng(0)
        held = rng.integers(LETTERS, size=(HELD, LENGTH))
        parameters = learned(model, asked.steps, rng)
        numbers = sum(x.size for x in tree_leaves(parameters))
        print(f"| {name} | {numbers:,} | {right(model, parameters, held):.1%} |", flush=True)


if __name__ == "__main__":
    main()
