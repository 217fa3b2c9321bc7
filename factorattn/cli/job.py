"""One mechanism in one form on one input: bound to its options, counted, tried on a short input, measured on all."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from factorattn import CATALOGUE, Cost, cost, family, kernels, softmax_attention
from factorattn.catalogue import Mechanism
from factorattn.cli.inputs import Input
from factorattn.cli.machine import available_memory
from factorattn.cli.measure import Timing, peak_memory, repeat, timed
from factorattn.cli.options import LeftOut, fixed_options, options_for, unset

__all__ = [
    "EXACT",
    "Job",
    "Plan",
    "Row",
    "bind",
    "count",
    "default_job",
    "host",
    "jobs_for",
    "measure",
    "try_out",
    "waiter",
]

EXACT = softmax_attention.__name__
SHORT = 256  # length to warm up at


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to compare, and how.

    Parameters
    ----------
    names : sequence of str
        Mechanisms, by their full names.
    sizes : mapping of str to int
        Of the knobs r, w, g, ...
    causal : bool
    seed : int
        For mechanisms that draw at random.
    namespace : {"numpy", "cupy"}
    kernels : {"auto", "off"}
    seconds : float
        About how long to repeat a call.
    budget : float
        A call that would take more seconds is not started.
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


class Job(NamedTuple):
    """A mechanism in one of its forms."""

    name: str
    form: str

    @property
    def label(self) -> str:
        """The name; with the form where several are compared."""
        return f"{self.name} ({self.form})" if self.name == EXACT else self.name

    @property
    def f(self) -> Callable:
        """The mechanism."""
        return CATALOGUE[self.name]

    @property
    def record(self) -> Mechanism:
        """Its record."""
        return self.f.record  # type: ignore[attr-defined]

    @property
    def family(self) -> str:
        """Its family."""
        return family(self.f)


@dataclass(frozen=True, kw_only=True)
class Row:
    """What was found of one job. `errors` has one entry for each batch member, and `error` is over all of them."""

    job: Job
    cost: Cost
    peak: int
    peak_how: str
    timing: Timing
    error: float
    errors: tuple[float, ...]
    ran: tuple[str, ...]


def default_job(name: str) -> Job:
    """A mechanism in its default form."""
    return Job(name, inspect.signature(CATALOGUE[name]).parameters["form"].default)


def jobs_for(names: Sequence[str]) -> list[Job]:
    """The named mechanisms by family, each in its default form; exact attention by its definition too."""
    jobs = [default_job(name) for name in names]
    jobs += [Job(EXACT, CATALOGUE[EXACT].record.forms[0])] * (EXACT in names)  # type: ignore[attr-defined]
    return sorted(jobs, key=lambda job: (job.family, job.name, job.form))


def bind(job: Job, data: Input, plan: Plan) -> Callable[[], Any]:
    """The call. `LeftOut` if the mechanism does not fit."""
    options = options_for(job.f, data.arrays(), plan.sizes, causal=plan.causal, seed=plan.seed)
    return partial(job.f, data.q, data.k, data.v, form=job.form, **options)


def count(job: Job, data: Input, plan: Plan, n: int | None = None) -> Cost:
    """The counted cost, for the input's own length or for another."""
    sizes = data.sizes() | ({} if n is None else {"n": n, "m": n}) | dict(plan.sizes)
    options = fixed_options(job.f, causal=plan.causal) | {"form": job.form}
    return cost(job.f, sizes, dtype=str(data.q.dtype), batch=data.batch(), without=unset(job.f), **options)


def try_out(job: Job, data: Input, plan: Plan) -> None:
    """Compile and warm up on a short input. `LeftOut` if the whole input would ask too much memory or time."""
    whole, free = count(job, data, plan), available_memory(plan.namespace)
    if free is not None and whole.peak > free:
        raise LeftOut(f"would hold {whole.peak / 2**30:.1f} GiB, and {free / 2**30:.1f} GiB are free")
    n = max(SHORT, *plan.sizes.values())
    while True:
        short = data.first(n)
        call = bind(job, short, plan)
        try:
            call()
        except ValueError as error:  # values are the user's; the mechanism says what is wrong with them
            raise LeftOut(str(error)) from None
        seconds = timed(call, waiter(plan))[1]
        ahead = seconds * whole.flops / count(job, short, plan).flops
        if ahead <= plan.budget:
            return
        if seconds > plan.budget / 20 or 2 * n > max(data.sizes()["n"], data.sizes()["m"]):
            pace = f"at the pace of n = {short.sizes()['n']:,}"
            raise LeftOut(f"one call would take about {ahead:.0f} s {pace}; --budget is {plan.budget:g} s")
        n *= 2  # small matrices are slow for their size: a longer input predicts better


def measure(job: Job, data: Input, plan: Plan, reference: np.ndarray) -> Row:
    """Run the job on all of the input: once for memory, kernels and result, then repeatedly for time."""
    call, wait = bind(job, data, plan), waiter(plan)
    with kernels(plan.kernels) as log, peak_memory(plan.namespace) as peak:
        out, first = timed(call, wait)
    error, errors = _distance(host(out), reference)
    del out
    return Row(
        job=job,
        cost=count(job, data, plan),
        peak=peak.nbytes,
        peak_how=peak.how,
        timing=repeat(call, wait, first=first, seconds=plan.seconds),
        error=error,
        errors=errors,
        ran=tuple(dict.fromkeys(map(str, log))),
    )


def waiter(plan: Plan) -> Callable[[], Any]:
    """A call that returns when all work that was started is done."""
    if plan.namespace == "numpy":
        return lambda: None
    import cupy

    return cupy.cuda.Device().synchronize


def host(x: Any) -> np.ndarray:
    """A float64 NumPy array."""
    return np.asarray(x.get() if hasattr(x, "get") else x, dtype=np.float64)


def _distance(out: np.ndarray, reference: np.ndarray) -> tuple[float, tuple[float, ...]]:
    """Relative Frobenius distance over all and for each batch member."""
    with np.errstate(divide="ignore", invalid="ignore"):
        off, norm = (np.linalg.norm(x, axis=(-2, -1)).reshape(-1) for x in (out - reference, reference))
        each = off / norm
        return float(np.linalg.norm(off) / np.linalg.norm(norm)), tuple(map(float, each))
