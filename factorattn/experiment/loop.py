"""A training loop whose whole state is one value, so that a run can stop after any step and go on as if it had not.

    batch, place = take(rng, place)                  which examples, and where in the data the next ones begin
    loss, parameters, optimizer = advance(parameters, optimizer, *batch)
    state = (step, parameters, optimizer, place, rng, losses)

Nothing else decides what the next step does; `factorattn.experiment.resume` keeps a state in a file.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from factorattn.scalars import generator, whole

__all__ = ["Data", "Shuffled", "State", "begin", "train"]

EVERY = 50


class Data(Protocol):
    """Where batches come from; a place is a dict of arrays and integers, so that it can be kept in a file."""

    def start(self, rng: np.random.Generator) -> dict[str, Any]:
        """The place before the first batch."""

    def take(self, rng: np.random.Generator, place: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arrays of the next batch, and the place behind it."""


@dataclass(frozen=True)
class State:
    """All that the next step depends on.

    Attributes
    ----------
    step : int
        Steps done.
    parameters, optimizer : tree of arrays and numbers
    place : dict
        Where in the data the next batch begins.
    rng : dict
        State of the source of randomness, as ``numpy.random.Generator.bit_generator.state``.
    losses : tuple of float
        One for each step done.
    """

    step: int
    parameters: Any
    optimizer: Any
    place: dict[str, Any]
    rng: dict[str, Any]
    losses: tuple[float, ...] = ()


@dataclass(frozen=True)
class Shuffled:
    """Batches of `size` of the rows of some arrays, each row once before any comes again; a new order every time.

    Attributes
    ----------
    arrays : tuple of array
        Of the same length, from 1.
    size : int
        Rows in a batch; it may be more than there are.
    """

    arrays: tuple[np.ndarray, ...]
    size: int

    def __post_init__(self) -> None:
        """Refuse what gives no batch."""
        lengths = sorted({len(x) for x in self.arrays})
        if len(lengths) != 1 or lengths[0] < 1:
            raise ValueError(f"arrays must have one length from 1 on, got {lengths}")
        if whole(size=self.size) < 1:
            raise ValueError(f"size must be positive, got {self.size}")

    def start(self, rng: np.random.Generator) -> dict[str, Any]:
        """A first order, and its beginning."""
        return {"order": rng.permutation(len(self.arrays[0])), "at": 0}

    def take(self, rng: np.random.Generator, place: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The next rows of each array, the end of one order and the beginning of the next where need be."""
        order, at, rows = place["order"], place["at"], np.zeros(0, np.int64)
        while len(rows) < self.size:
            if at == len(order):
                order, at = rng.permutation(len(order)), 0
            more = order[at : at + self.size - len(rows)]
            rows, at = np.concatenate([rows, more]), at + len(more)
        return tuple(x[rows] for x in self.arrays), {"order": order, "at": at}


def begin(parameters: Any, optimizer: Any, data: Data, *, rng: Any = None) -> State:
    """The state before the first step.

    Parameters
    ----------
    parameters, optimizer : tree of arrays and numbers
        What is trained, and what the optimizer remembers.
    data : Data
        Where batches come from, for example `Shuffled`.
    rng : int, numpy.random.Generator or None
        Source of randomness of the data (SPEC 7).
    """
    source = generator(rng)
    place = data.start(source)
    return State(0, parameters, optimizer, place, dict(source.bit_generator.state))


def train(
    advance: Callable[..., tuple[float, Any, Any]],
    data: Data,
    state: State,
    *,
    steps: int,
    keep: Callable[[State], Any] | None = None,
    every: int = EVERY,
    told: Callable[[State], Any] | None = None,
) -> State:
    """Take steps until there are `steps` of them, those of `state` counted.

    Parameters
    ----------
    advance : callable
        ``advance(parameters, optimizer, *batch)`` gives the loss and the new parameters and optimizer. It writes into
        no array.
    data : Data
    state : State
        From `begin`, or from a file.
    steps : int
        How many there are in the end.
    keep : callable, optional
        ``keep(state)`` after every `every` steps, after the last one, and after the last whole step where Ctrl-C or an
        end of the process (SystemExit) comes between; then the exception goes on.
    every : int
    told : callable, optional
        ``told(state)`` after each step.

    Returns
    -------
    State

    Raises
    ------
    FloatingPointError
        If a loss is not finite; the state before that step is kept first.
    ValueError
        If the state is already further than `steps`, or `every` is not positive.
    """
    if state.step > whole(steps=steps):
        raise ValueError(f"steps must be at least {state.step}, the steps that the state has done, got {steps}")
    if whole(every=every) < 1:
        raise ValueError(f"every must be positive, got {every}")
    kept = state.step
    try:
        while state.step < steps:
            state = _step(advance, data, state)
            if told is not None:
                told(state)
            if keep is not None and (state.step % every == 0 or state.step == steps):
                keep(state)
                kept = state.step
    except (KeyboardInterrupt, SystemExit, FloatingPointError):
        if keep is not None and state.step > kept:
            keep(state)
        raise
    return state


def _step(advance, data, state):
    source = np.random.Generator(getattr(np.random, state.rng["bit_generator"])())
    source.bit_generator.state = state.rng
    batch, place = data.take(source, state.place)
    loss, parameters, optimizer = advance(state.parameters, state.optimizer, *batch)
    loss = float(loss)
    if not math.isfinite(loss):
        raise FloatingPointError(f"the loss of step {state.step + 1} is {loss}; a smaller step size may help")
    losses = (*state.losses, loss)
    return State(state.step + 1, parameters, optimizer, place, dict(source.bit_generator.state), losses)
