"""Training on phrases of dates, and what comes of it on phrases of dates that were never trained on.

rate_t = peak min(1, t / warmup) (steps + 1 - t) / steps        Adam, gradients clipped by their norm
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from factorattn.experiment.dates.data import Batches, draw_phrases, split_days
from factorattn.experiment.dates.model import Sizes, begun, loss, read_dates
from factorattn.experiment.dates.phrases import Phrase
from factorattn.experiment.loop import State, begin, train
from factorattn.experiment.resume import SUFFIX, ResumeError, read_state, write_state
from factorattn.interpret.gradient import value_and_grad
from factorattn.model.optimizer import adam, adam_init, clip_by_global_norm
from factorattn.model.schedule import linear

__all__ = ["QUICK", "Plan", "Result", "Score", "held_out", "plan_of", "read_checkpoint", "run"]

BETA2, EPSILON = 0.98, 1e-9  # as the Transformer was trained
EVERY = 25  # steps between two states that are kept


@dataclass(frozen=True)
class Plan:
    """All that decides a run.

    Parameters
    ----------
    steps : int
    batch : int
        Phrases a step.
    rate : float
        The highest.
    warmup : int
        Steps to reach it, at most a tenth of all.
    bound : float
        Of the norm of the gradient.
    phrases : int
        Held-out phrases that are read in the end.
    seed : int
        Of parameters, of the days held out, and of phrases.
    sizes : Sizes
    """

    steps: int = 4000
    batch: int = 32
    rate: float = 0.004
    warmup: int = 200
    bound: float = 1.0
    phrases: int = 2000
    seed: int = 0
    sizes: Sizes = field(default_factory=Sizes)

    def rate_at(self, step: int) -> float:
        """The rate of a step, from 1 on: up in equal steps, and down again, to nearly nothing."""
        warmup = max(1, min(self.warmup, self.steps // 10))
        return self.rate * linear(step, warmup=warmup) * linear(self.steps + 1 - step, warmup=self.steps)


QUICK = Plan(steps=1000, phrases=500)


class Score(NamedTuple):
    """How many held-out phrases of a kind were read exactly."""

    language: str
    kind: str
    phrases: int
    exact: int


@dataclass(frozen=True)
class Result:
    """A trained model, and what it reads.

    Parameters
    ----------
    plan : Plan
    parameters : tree
    losses : tuple of float
        Of each step.
    seconds : float
        Of the steps of this run: fewer than all, if it went on from a checkpoint.
    reading : float
        Seconds to read the held-out phrases.
    phrases : tuple of Phrase
    read : tuple of str
        What the model reads in each.
    trained, held_out : int
        Days.
    """

    plan: Plan
    parameters: Any
    losses: tuple[float, ...]
    seconds: float
    reading: float
    phrases: tuple[Phrase, ...]
    read: tuple[str, ...]
    trained: int
    held_out: int

    @property
    def scores(self) -> tuple[Score, ...]:
        """A score for every kind of each language that was read, in the order of their names."""
        found: dict[tuple[str, str], list[bool]] = {}
        for phrase, read in zip(self.phrases, self.read, strict=True):
            found.setdefault((phrase.language, phrase.kind), []).append(phrase.iso == read)
        return tuple(Score(*names, len(right), sum(right)) for names, right in sorted(found.items()))

    @property
    def exact(self) -> float:
        """The share of held-out phrases that were read exactly."""
        return sum(score.exact for score in self.scores) / max(1, len(self.phrases))

    @property
    def mistakes(self) -> tuple[tuple[Phrase, str], ...]:
        """Phrases that were not, and what was read instead."""
        pairs = zip(self.phrases, self.read, strict=True)
        return tuple((phrase, read) for phrase, read in pairs if phrase.iso != read)


def run(
    plan: Plan,
    *,
    checkpoint: Any = None,
    resume: bool = False,
    told: Callable[[State], Any] | None = None,
) -> Result:
    """Train a model, and read held-out phrases with it.

    Parameters
    ----------
    plan : Plan
    checkpoint : str or path, optional
        Keep the state of training there; the name of a file, without ".safetensors".
    resume : bool
        Go on from what is kept there; the run ends as if it had never stopped, bit for bit.
    told : callable, optional
        ``told(state)`` after each step.

    Returns
    -------
    Result

    Raises
    ------
    factorattn.experiment.resume.ResumeError
        If the checkpoint cannot be gone on from.
    """
    days = split_days(rng=plan.seed)
    data = Batches(days.learned, plan.batch)
    state = _first(plan, data)
    settings = asdict(plan)
    if resume:
        state, _ = read_state(checkpoint, state, settings=settings)
    keep = None if checkpoint is None else partial(write_state, checkpoint, settings=settings)
    slope = value_and_grad(partial(loss, sizes=plan.sizes))

    def advance(parameters: Any, memory: Any, *batch: np.ndarray) -> tuple[float, Any, Any]:
        value, gradient = slope(parameters, *batch)
        gradient, _ = clip_by_global_norm(gradient, plan.bound)
        rate = plan.rate_at(memory["step"] + 1)
        return float(value), *adam(parameters, gradient, memory, rate=rate, beta2=BETA2, epsilon=EPSILON)

    begun_at = time.perf_counter()
    with threadpool_limits(1):  # products are small: two threads wait for each other, and round differently
        state = train(advance, data, state, steps=plan.steps, keep=keep, every=EVERY, told=told)
        seconds = time.perf_counter() - begun_at
        phrases = held_out(plan)
        read = read_dates(state.parameters, [phrase.text for phrase in phrases], sizes=plan.sizes)
        reading = time.perf_counter() - begun_at - seconds
    return Result(
        *(plan, state.parameters, state.losses, seconds, reading, tuple(phrases), tuple(read)),
        *(len(days.learned), len(days.held_out)),
    )


def held_out(plan: Plan) -> Sequence[Phrase]:
    """The held-out phrases of a plan: of days that no training phrase is of."""
    rng = np.random.default_rng([plan.seed, 1])
    return draw_phrases(split_days(rng=plan.seed).held_out, plan.phrases, rng)


def plan_of(checkpoint: Any) -> Plan:
    """The plan of the run that kept a state.

    Raises
    ------
    factorattn.experiment.resume.ResumeError
        If there is none, or it is damaged or of another kind of run.
    """
    from safetensors import SafetensorError, safe_open

    files = [Path(f"{checkpoint}{ending}") for ending in (SUFFIX, f".previous{SUFFIX}")]
    file = next((file for file in files if file.is_file()), None)
    if file is None:
        raise ResumeError(f"{str(files[0])!r} does not exist")
    try:
        with safe_open(file, "numpy") as opened:
            settings = json.loads((opened.metadata() or {})["state"])["settings"]
        return Plan(**settings | {"sizes": Sizes(**settings["sizes"])})
    except (SafetensorError, OSError) as error:
        raise ResumeError(f"{str(file)!r} is damaged: {error}") from None
    except (KeyError, TypeError, ValueError):
        raise ResumeError(f"{str(file)!r} is no state of a run of dates") from None


def read_checkpoint(checkpoint: Any) -> tuple[Plan, Mapping[str, Any], int]:
    """The plan of a checkpoint, its parameters, and the steps done.

    Raises
    ------
    factorattn.experiment.resume.ResumeError
        As `plan_of`.
    """
    plan = plan_of(checkpoint)
    like = _first(plan, Batches(split_days(rng=plan.seed).learned, plan.batch))
    state, _ = read_state(checkpoint, like, settings=asdict(plan))
    return plan, state.parameters, state.step


def _first(plan: Plan, data: Batches) -> State:
    parameters = begun(plan.sizes, rng=plan.seed)
    return begin(parameters, adam_init(parameters), data, rng=plan.seed)
