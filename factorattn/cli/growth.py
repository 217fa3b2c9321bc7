"""The same mechanisms at other lengths: measured on shorter inputs, counted on longer ones."""

from dataclasses import replace
from typing import NamedTuple

from factorattn.cli.inputs import Input
from factorattn.cli.job import Job, Plan, Row, bind, count, waiter
from factorattn.cli.measure import repeat, timed

__all__ = ["Growth", "counted_growth", "measured_growth"]

PARTS = (16, 8, 4, 2)
COUNTED = tuple(2**power for power in range(8, 21, 2))
SECONDS = 0.1


class Growth(NamedTuple):
    """Quantities of one job, entry for entry at the lengths `n`."""

    job: Job
    n: tuple[int, ...]
    seconds: tuple[float, ...] = ()
    flops: tuple[int, ...] = ()
    peak: tuple[int, ...] = ()


def measured_growth(row: Row, data: Input, plan: Plan) -> Growth:
    """Time at a few lengths up to that of the input, whose own time is known."""
    whole, wait = data.sizes()["n"], waiter(plan)
    lengths: list[int] = []
    seconds: list[float] = []
    for n in (whole // part for part in PARTS if whole // part > 1):
        if seconds and seconds[-1] * 2**3 > plan.budget / 4:  # no mechanism grows faster than n^3
            break
        call = bind(row.job, data.first(n), _cut(plan, n))
        call()
        timing = repeat(call, wait, first=timed(call, wait)[1], seconds=SECONDS)
        lengths.append(n)
        seconds.append(timing.median)
    return Growth(row.job, (*lengths, whole), seconds=(*seconds, row.timing.median))


def counted_growth(job: Job, data: Input, plan: Plan) -> Growth:
    """Operations and memory of the whole batch at lengths up to 2^20."""
    costs = [count(job, data, _cut(plan, n), n) for n in COUNTED]
    return Growth(job, COUNTED, flops=tuple(c.flops for c in costs), peak=tuple(c.peak for c in costs))


def _cut(plan: Plan, n: int) -> Plan:
    """No window, rank, ... is longer than the input."""
    return replace(plan, sizes={letter: min(size, n) for letter, size in plan.sizes.items()})
