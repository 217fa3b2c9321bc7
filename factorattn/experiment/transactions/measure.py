"""Time and peak memory of one call."""

import gc
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median, quantiles
from typing import Any, NamedTuple

__all__ = ["Timing", "one_thread", "time_of", "traced_peak", "without_collection"]

LEAST, MOST = 3, 15  # calls


class Timing(NamedTuple):
    """Seconds of a call: the median of `repeats` runs, and the quartiles around it."""

    median: float
    low: float
    high: float
    repeats: int


def time_of(call: Callable[[], Any], *, seconds: float) -> Timing:
    """Time a call, that was called before, again and again for about so many seconds: three times at the least."""
    runs: list[float] = []
    while len(runs) < LEAST or (sum(runs) < seconds and len(runs) < MOST):
        start = time.perf_counter()
        call()
        runs.append(time.perf_counter() - start)
    low, _, high = quantiles(runs, n=4, method="inclusive")
    return Timing(median(runs), low, high, len(runs))


def traced_peak(call: Callable[[], Any]) -> int:
    """The most bytes that a call holds at once in objects of Python and NumPy, beside what there was before."""
    gc.collect()
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@contextmanager
def without_collection() -> Iterator[None]:
    """Keep Python's search for cycles from walking over a record of thousands of calls, none of which is in one."""
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()


@contextmanager
def one_thread() -> Iterator[None]:
    """Let products of matrices run on one thread: sums do not depend on how many processors there are."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1, user_api="blas"):
        yield
