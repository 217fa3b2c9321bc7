"""The same model with the attention swapped, at growing lengths: what a step of training costs, and what it learns.

Every model takes `start_steps` at a short length first; from there, for every length n, `steps` more in windows of n.
So all have seen as many tokens in as many steps, whatever n is, and only the last few steps cost what n costs.

Products of matrices run on one thread: sums are then the same on any number of processors.
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from factorattn.experiment.loop import Shuffled, State, begin, train
from factorattn.experiment.resume import has_state, read_state, write_state
from factorattn.experiment.transactions.data import Streams, make_streams
from factorattn.experiment.transactions.evaluate import Quality, quality
from factorattn.experiment.transactions.measure import Timing, one_thread, time_of, traced_peak, without_collection
from factorattn.experiment.transactions.model import MECHANISMS, log_probabilities, loss, model_parameters
from factorattn.experiment.transactions.plan import Plan
from factorattn.interpret.gradient import value_and_grad
from factorattn.interpret.tree import tree_leaves
from factorattn.model.optimizer import adam, adam_init, clip_by_global_norm
from factorattn.model.schedule import linear

__all__ = ["Report", "Row", "study"]

WARMUP = 10  # steps
LONGEST_NORM = 1.0  # of a gradient
BETA2 = 0.98
KEEP_EVERY = {"start": 25, "length": 1}  # steps


@dataclass(frozen=True)
class Row:
    """One mechanism at one length."""

    mechanism: str
    n: int
    parameters: int
    timing: Timing
    peak: int
    quality: Quality
    training_loss: float


@dataclass(frozen=True)
class Report:
    """Everything that was found."""

    plan: Plan
    counts: dict[str, int]
    baselines: dict[str, float]
    rows: tuple[Row, ...]

    def growth(self) -> dict[str, tuple[float, float]]:
        """For each model the exponents of n in time and in memory, between the two longest lengths."""
        if len(self.plan.lengths) < 2:
            return {}
        short, long = sorted(self.plan.lengths)[-2:]
        found = {}
        for name in self.plan.mechanisms:
            a, b = (next(row for row in self.rows if (row.mechanism, row.n) == (name, n)) for n in (short, long))
            ratios = (b.timing.median / a.timing.median, b.peak / a.peak)
            seconds, peak = (math.log(ratio) / math.log(long / short) for ratio in ratios)
            found[name] = (seconds, peak)
        return found


def study(
    plan: Plan, *, folder: Path | None = None, told: Callable[[str], Any] = lambda text: None
) -> tuple[Report, dict[str, State]]:
    """Train and measure.

    Parameters
    ----------
    plan : Plan
    folder : path, optional
        Where states are kept; what is there already is gone on from.
    told : callable
        Is told what comes next.

    Returns
    -------
    report : Report
    states : dict of str to State
        The last state of every model, by names such as "full-512".

    Raises
    ------
    ResumeError
        If a file in the folder is damaged, or made with other settings.
    ValueError
        If the lengths do not fit each other or the data.
    """
    with one_thread():
        return _study(plan, folder, told)


def _study(plan: Plan, folder: Path | None, told: Callable[[str], Any]) -> tuple[Report, dict[str, State]]:
    streams = make_streams(plan.lengths, seed=plan.seed)
    plan = replace(plan, sizes=replace(plan.sizes, vocabulary=streams.bins.vocabulary, seed=plan.seed))
    rows: list[Row] = []
    states: dict[str, State] = {}
    for name in plan.mechanisms:
        told(f"{name}: {plan.start_steps} steps to start with")
        start, _ = _trained(_Job(plan, streams, name, None), None, folder)
        for n in plan.lengths:
            job = _Job(plan, streams, name, n)
            told(f"{name}: {plan.steps} steps of length {n:,}")
            state, notes = _trained(job, start, folder)
            told(f"{name}: measured at length {n:,}")
            if "row" not in notes:
                notes = {"row": asdict(_row(job, state))}
                if folder is not None:
                    write_state(folder / job.label, state, settings=job.settings, notes=notes)
            states[job.label] = state
            rows.append(_read_row(notes["row"]))
    return Report(plan, streams.counts, streams.baselines, tuple(rows)), states


@dataclass(frozen=True)
class _Job:
    """A model at one length; n is None at the start."""

    plan: Plan
    streams: Streams
    name: str
    n: int | None

    @property
    def label(self) -> str:
        return f"{self.name}-{self.n or 'start'}"

    @property
    def settings(self) -> dict[str, Any]:
        return {"model": self.label} | asdict(self.plan) | {"data": self.streams.checksum}

    @property
    def steps(self) -> int:
        return self.plan.start_steps + (self.plan.steps if self.n else 0)

    def data(self) -> Shuffled:
        longest = self.streams.longest
        n = self.n or max(k for k in range(1, min(self.plan.start_length, *self.plan.lengths) + 1) if longest % k == 0)
        tokens = longest if self.n else self.plan.start_tokens
        return Shuffled(self.streams.windows(n, held_out=False), max(1, tokens // n))

    def generator(self, use: int) -> np.random.Generator:
        """Of the parameters or of the order of the data; that of a mechanism does not depend on which others run."""
        return np.random.default_rng([self.plan.seed, MECHANISMS.index(self.name), self.n or 0, use])

    def advance(self, parameters: Any, optimizer: Any, tokens: Any, targets: Any) -> tuple[float, Any, Any]:
        with without_collection():
            value, gradients = value_and_grad(partial(loss, name=self.name, sizes=self.plan.sizes))(
                parameters, tokens, targets
            )
        gradients, _ = clip_by_global_norm(gradients, LONGEST_NORM)
        rate = self.plan.rate * linear(optimizer["step"] + 1, warmup=WARMUP)
        return (float(value), *adam(parameters, gradients, optimizer, rate=rate, beta2=BETA2))


def _trained(job: _Job, start: State | None, folder: Path | None) -> tuple[State, dict[str, Any]]:
    """The last state of a job, and what its file says beside it."""
    data = job.data()
    if start is None:
        parameters = model_parameters(job.name, job.plan.sizes, rng=job.generator(0))
        state = begin(parameters, adam_init(parameters), data, rng=job.generator(1))
    else:
        fresh = begin(start.parameters, start.optimizer, data, rng=job.generator(1))
        state = replace(fresh, step=start.step, losses=start.losses)
    notes: dict[str, Any] = {}
    keep = None
    if folder is not None:
        keep = partial(write_state, folder / job.label, settings=job.settings)
        if has_state(folder / job.label):
            state, notes = read_state(folder / job.label, state, settings=job.settings)
    every = KEEP_EVERY["length" if job.n else "start"]
    return train(job.advance, data, state, steps=job.steps, keep=keep, every=every), notes


def _row(job: _Job, state: State) -> Row:
    plan, n = job.plan, job.n or 0
    tokens, targets = (x[:1] for x in job.streams.windows(n, held_out=False))

    def step() -> Any:
        return job.advance(state.parameters, state.optimizer, tokens, targets)

    def predict(x: Any) -> Any:
        return log_probabilities(state.parameters, x, job.name, plan.sizes, form="online")[0]

    return Row(
        mechanism=job.name,
        n=n,
        parameters=sum(x.size for x in tree_leaves(state.parameters)),
        peak=traced_peak(step),
        timing=time_of(step, seconds=plan.seconds),
        quality=quality(predict, job.streams, n),
        training_loss=float(np.mean(state.losses[-plan.steps :])),
    )


def _read_row(told: dict[str, Any]) -> Row:
    """A row as it was, or as JSON has it."""
    return Row(**told | {"timing": Timing(*told["timing"]), "quality": Quality(*told["quality"])})
