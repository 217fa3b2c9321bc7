"""Peak memory and time of a call."""

import sys

import numpy as np
import pytest

from factorattn.cli import measure
from factorattn.cli.measure import peak_memory, repeat, timed

KNOWN = 64 * 2**20
PARTS = 10  # the account of the kernel is good to a tenth


def fill(nbytes):
    return np.ones(nbytes // 8)


@pytest.fixture(params=["the system's account", "tracemalloc"])
def way(request, monkeypatch):
    if request.param == "tracemalloc":
        monkeypatch.setattr(measure, "_reset_high_water_mark", lambda: False)
    elif sys.platform != "linux":
        pytest.skip("only Linux tells the peak of a process")
    return request.param


def test_peak_memory_is_that_of_a_known_array(way):
    with peak_memory() as peak:
        kept = fill(KNOWN)
    assert abs(peak.nbytes - kept.nbytes) <= KNOWN // PARTS
    assert peak.how


def test_peak_memory_counts_what_was_freed_again_and_not_what_was_there(way):
    before = fill(KNOWN)
    with peak_memory() as peak:
        fill(KNOWN)
        fill(KNOWN)
    assert before.nbytes == KNOWN
    assert abs(peak.nbytes - KNOWN) <= KNOWN // PARTS


def test_peak_memory_of_nothing_is_next_to_nothing(way):
    fill(KNOWN)
    with peak_memory() as peak:
        pass
    assert peak.nbytes <= KNOWN // PARTS


def test_a_short_call_is_repeated_and_its_quartiles_enclose_its_median():
    calls = []
    timing = repeat(lambda: calls.append(1), lambda: None, first=0.0, seconds=0.0)
    assert timing.repeats == len(calls) == measure.LEAST_REPEATS
    assert 0 <= timing.low <= timing.median <= timing.high


@pytest.mark.parametrize(("again", "least"), [(5.0, 3.0), (2.5, 2.5)])
def test_of_a_call_that_is_long_twice_the_smaller_time_counts(monkeypatch, again, least):
    runs = iter([again])
    monkeypatch.setattr(measure, "timed", lambda call, wait: (None, next(runs)))
    assert repeat(lambda: None, lambda: None, first=3.0, seconds=9.0) == (least, least, least, 1)


def test_a_call_that_was_long_by_accident_is_repeated(monkeypatch):
    runs = iter([0.5, 0.5, 0.25, 0.5])
    monkeypatch.setattr(measure, "timed", lambda call, wait: (None, next(runs)))
    timing = repeat(lambda: None, lambda: None, first=3.0, seconds=1.0)
    assert (timing.median, timing.repeats) == (0.5, 3)


def test_a_call_is_timed_until_its_work_is_done():
    events = []
    result, _ = timed(lambda: events.append("call") or 7, lambda: events.append("wait"))
    assert (result, events) == (7, ["wait", "call", "wait"])
