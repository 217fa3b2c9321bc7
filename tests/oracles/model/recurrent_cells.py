"""The cells of recurrent networks with what their tests need: steps, parameters, oracles; and trees as lists."""

from functools import partial
from typing import NamedTuple

import numpy as np

from factorattn.factor.factored import Factored
from factorattn.interpret.tree import tree_map
from factorattn.model import recurrent as library
from oracles.model import recurrent as oracle


class Cell(NamedTuple):
    network: object
    step: object
    oracle: object
    draw: object
    parts: int  # arrays of a state


def _cell(name, draw, parts=1, **options):
    step = getattr(library, f"{name}_step")
    return Cell(
        partial(getattr(library, name), **options),
        partial(step, **options),
        partial(getattr(oracle, f"{name}_step"), **options),
        draw,
        parts,
    )


CELLS = {
    "recurrent": _cell("recurrent", library.recurrent_parameters),
    "relu": _cell("recurrent", library.recurrent_parameters, activation="relu"),
    "lstm": _cell("lstm", library.lstm_parameters, parts=2),
    "gru": _cell("gru", library.gru_parameters),
    "gru after": _cell("gru", library.gru_parameters, reset="after"),
}


def as_lists(tree):
    """Arrays of a tree as nested lists; factored matrices as those they stand for."""
    if isinstance(tree, dict):
        return {name: as_lists(part) for name, part in tree.items()}
    if isinstance(tree, list | tuple):
        return type(tree)(map(as_lists, tree))
    return (tree.to_dense() if isinstance(tree, Factored) else tree).tolist()


def begin(cell, rng, batch, hidden):
    """A state, and a function that tells it of one sequence, for an oracle."""
    state = tuple(rng.standard_normal((*batch, hidden)) for _ in range(cell.parts))
    return state if cell.parts > 1 else state[0]


def joined(state):
    """All arrays of a state side by side, as NumPy's."""
    return np.concatenate([np.asarray(part) for part in (state if isinstance(state, tuple) else (state,))], axis=-1)


def flat(state):
    """A state of an oracle as one list."""
    return [*state[0], *state[1]] if isinstance(state, tuple) else state


def moved(tree, xp):
    """A tree in another array library."""
    return tree_map(lambda x: xp.asarray(x), tree)
