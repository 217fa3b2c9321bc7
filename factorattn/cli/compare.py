"""Every mechanism on one input: what each costs, and how far it is from exact attention."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from factorattn import kernels
from factorattn.cli.growth import Growth, counted_growth, measured_growth
from factorattn.cli.inputs import Input
from factorattn.cli.job import EXACT, Plan, Row, bind, default_job, host, jobs_for, measure, try_out
from factorattn.cli.machine import machine
from factorattn.cli.options import LeftOut

__all__ = ["Omission", "Report", "compare", "steps"]


class Omission(NamedTuple):
    """A mechanism that was left out, and why."""

    name: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything that was found; `exact_seconds` is the time of exact attention in its default form."""

    source: str
    sizes: Mapping[str, int]
    batch: tuple[int, ...]
    dtype: str
    plan: Plan
    machine: Mapping[str, str]
    exact_seconds: float
    rows: Sequence[Row]
    left_out: Sequence[Omission]
    measured: Sequence[Growth]
    counted: Sequence[Growth]

    def speedup(self, row: Row) -> float:
        """How many times as fast as exact attention."""
        return self.exact_seconds / row.timing.median


def steps(plan: Plan) -> int:
    """How often `compare` calls its `step`."""
    return len(jobs_for(plan.names)) + 2 + plan.growth


def compare(data: Input, plan: Plan, step: Callable[[str], None] = lambda text: None) -> Report:
    """Run the plan, telling `step` what comes next."""
    exact = default_job(EXACT)
    rows: list[Row] = []
    left_out: list[Omission] = []
    measured: list[Growth] = []
    with kernels(plan.kernels):
        step("exact attention in float64")
        wide = data.each(lambda x: x.astype("float64"))
        with kernels("off"):  # no kernel is held against itself
            reference = host(bind(exact, wide, plan)())
        del wide
        step(exact.label)
        bind(exact, data.first(1), plan)()  # compiles
        baseline = measure(exact, data, plan, reference)
        for job in jobs_for(plan.names):
            step(job.label)
            try:
                bind(job, data, plan)
                if job != exact:
                    try_out(job, data, plan)
            except LeftOut as error:
                left_out.append(Omission(job.label, str(error)))
                continue
            rows.append(baseline if job == exact else measure(job, data, plan, reference))
            if plan.growth and data.sizes()["n"] == data.sizes()["m"]:
                measured.append(measured_growth(rows[-1], data, plan))
        if plan.growth:
            step("counting to 2^20")
    return Report(
        source=data.source,
        sizes=data.sizes() | dict(plan.sizes),
        batch=data.batch(),
        dtype=str(data.q.dtype),
        plan=plan,
        machine=machine(plan.namespace),
        exact_seconds=baseline.timing.median,
        rows=rows,
        left_out=left_out,
        measured=measured,
        counted=[counted_growth(row.job, data, plan) for row in rows] if plan.growth else [],
    )
