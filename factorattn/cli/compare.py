"""The job: every mechanism on one input, what it costs and how far it is from exact attention."""
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from factorattn import CATALOGUE, cost, family, kernels, softmax_attention
from factorattn.cli.growth import Line, counted_lines, measured_line
from factorattn.cli.inputs import Input
from factorattn.cli.machine import available_memory, machine
from factorattn.cli.measure import Peak, Timing, peak_memory, repeat, timed
from factorattn.cli.options import LeftOut, fixed_options, options_for

__all__ = ["Omission", "Plan", "Report", "Row", "compare"]

WARM_LENGTH = 256
EXACT, DEFINITION = softmax_attention.__name__, softmax_attention.mechanism.forms[0]  # type: ignore[attr-defined]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to compare, and how.

    Parameters
    ----------
    names : sequence of str
        Mechanisms, by their full names.
    sizes : mapping of str to int
        Of the knobs r, w, g, ...
    seed : int
        For mechanisms that draw at random.
    seconds : float
        About how long to repeat a call.
    budget : float
        Seconds over which a single call is not started.
    growth : bool
        Also follow time, operations and memory as the length grows.
    """

    names: Sequence[str]
    sizes: Mapping[str, int]
    causal: bool = False
    seed: int = 0
    namespace: str = "numpy"
    kernels: str = "auto"
    seconds: float = 0.5
    budget: float = 20.0
    growth: bool = False


class Omission(NamedTuple):
    """A mechanism that was left out, and why."""

    name: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Row:
    """One mechanism in one form. `errors` are relative, one for each batch member; all are against exact attention in float64."""

    name: str
    form: str
    family: str
    approximates: str | None
    exact: bool
    declared_time: str
    declared_memory: str
    options: Mapping[str, Any]
    flops: int
    counted_peak: int
    measured_peak: int
    timing: Timing
    speedup: float
    error: float
    errors: tuple[float, ...]
    ran: tuple[str, ...]

    @property
    def label(self) -> str:
        """The name, and the form where two are compared."""
        return f"{self.name} ({self.form})" if self.exact else self.name


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything that was found."""

    source: str
    sizes: Mapping[str, int]
    batch: tuple[int, ...]
    dtype: str
    plan: Plan
    machine: Mapping[str, str]
    memory_how: str
    rows: list[Row]
    left_out: list[Omission]
    measured: list[Line] = field(default_factory=list)
    counted: list[Line] = field(default_factory=list)


def compare(data: Input, plan: Plan, step: Callable[[str], None]) -> Report:
    """Run the plan; `step` is told what comes next."""
    jobs, left_out = [], []
    for name, form in _selection(plan.names):
        try:
            jobs.append(_Job(name, form, data, plan))
        except LeftOut as error:
            left_out.append(Omission(name, str(error)))
    with kernels(plan.kernels):
        step("exact attention in float64")
        reference = _exact(data, plan.causal)
        rows, measured = [], []
        baseline = _Job(EXACT, None, data, plan)
        exact_seconds = baseline.measure(reference, float("nan"), None)[0].timing.median
        for job in jobs:
            step(job.label)
            try:
                job.warm_up()
            except LeftOut as error:
                left_out.append(Omission(job.name, str(error)))
                continue
            own_seconds = None if (job.name, job.form) != (EXACT, baseline.form) else exact_seconds
            row, peak = job.measure(reference, exact_seconds, own_seconds)
            rows.append(row)
            if plan.growth:
                measured.append(measured_line(row.label, row.family, job.prepared, data, row.timing.median))
    counted = []
    if plan.growth:
        step("counting to 2^20")
        for row, job in ((row, job) for row in rows for job in jobs if (job.name, job.form) == (row.name, row.form)):
            counted.append(counted_lines(row.label, row.family, job.f, data, plan.sizes, job.counted_options))
    return Report(
        source=data.source,
        sizes=data.sizes() | dict(plan.sizes),
        batch=data.batch(),
        dtype=str(data.q.dtype),
        plan=plan,
        machine=machine(plan.namespace),
        memory_how="",
        rows=rows,
        left_out=left_out,
        measured=measured,
        counted=counted,
    )
