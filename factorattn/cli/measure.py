"""Time and peak memory of one call."""

import ctypes
import gc
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any, NamedTuple

__all__ = ["Peak", "Timing", "peak_memory", "repeat", "timed"]

LEAST_REPEATS, MOST_REPEATS = 3, 50
SLOW = 2.0  # seconds from which one run has to do, if the run before took no less


class Timing(NamedTuple):
    """Seconds of a call: the median of `repeats` runs, and the quartiles around it."""

    median: float
    low: float
    high: float
    repeats: int


@dataclass
class Peak:
    """The most bytes held at once beside what was held before, and how that was measured."""

    nbytes: int = 0
    how: str = ""


def timed(call: Callable[[], Any], wait: Callable[[], Any]) -> tuple[Any, float]:
    """The result of a call, and the seconds until `wait` says that it is there."""
    wait()
    start = time.perf_counter()
    result = call()
    wait()
    return result, time.perf_counter() - start


def repeat(call: Callable[[], Any], wait: Callable[[], Any], *, first: float, seconds: float) -> Timing:
    """Time a call again and again for about `seconds`; of one that is slow twice, the smaller time has to do."""
    if first >= SLOW:  # perhaps something else was running
        first = min(first, timed(call, wait)[1])
    runs = [] if first < SLOW else [first]
    while first < SLOW and len(runs) < MOST_REPEATS and (len(runs) < LEAST_REPEATS or sum(runs) < seconds):
        runs.append(timed(call, wait)[1])
    low, _, high = quantiles(runs, n=4, method="inclusive") if len(runs) > 1 else (runs * 3)
    return Timing(median(runs), low, high, len(runs))


@contextmanager
def peak_memory(namespace: str = "numpy") -> Iterator[Peak]:
    """Measure the memory that a ``with`` block needs at its peak, temporary arrays and workspaces included.

    On Linux the kernel's own account of this process is read; elsewhere what Python and NumPy allocate is traced; on a
    GPU it is the growth of CuPy's pool.
    """
    peak = Peak()
    gc.collect()
    if namespace == "cupy":
        yield from _pool(peak)
    elif _reset_high_water_mark():
        yield from _resident(peak)
    else:
        yield from _traced(peak)


def _resident(peak: Peak) -> Iterator[Peak]:
    before = _status("VmRSS")
    yield peak
    peak.nbytes, peak.how = max(0, _status("VmHWM") - before), "resident memory of the process"


def _traced(peak: Peak) -> Iterator[Peak]:
    import tracemalloc

    tracemalloc.start()
    try:
        yield peak
        peak.nbytes, peak.how = tracemalloc.get_traced_memory()[1], "arrays of Python and NumPy (tracemalloc)"
    finally:
        tracemalloc.stop()


def _pool(peak: Peak) -> Iterator[Peak]:
    import cupy

    pool = cupy.get_default_memory_pool()
    pool.free_all_blocks()
    before = pool.used_bytes()
    yield peak
    peak.nbytes, peak.how = max(0, pool.total_bytes() - before), "CuPy's memory pool"


def _reset_high_water_mark() -> bool:
    """Hand free memory back to the system, so that the block has to ask for it again; then forget the peak so far."""
    if sys.platform != "linux":
        return False
    with suppress(AttributeError):  # another C library than glibc keeps what it keeps
        ctypes.CDLL(None).malloc_trim(0)
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        return False  # some containers forbid it
    return True


def _status(field: str) -> int:
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(f"{field}:"))
