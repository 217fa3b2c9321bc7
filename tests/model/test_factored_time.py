"""The script that measures where time breaks even finds the place between the ranks that it measured."""

import importlib
from pathlib import Path

import numpy as np
import pytest

CLAIMS = Path(__file__).parents[2] / "asv_benches" / "claims"

if not CLAIMS.is_dir():
    pytest.skip("no scripts beside these tests", allow_module_level=True)


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(CLAIMS)
    return importlib.import_module("factored_time")


def test_the_place_is_on_the_line_between_two_ranks(script):
    assert script.crossing([10, 20, 30], [0.5, 0.75, 1.25]) == 25
    assert script.crossing([10, 20], [0.5, 1.0]) is None
    assert script.crossing([10, 20], [1.5, 2.0]) is None
    assert script.crossing([10, 20, 30, 40], [0.5, 1.5, 0.5, 1.5]) == 15


def test_ratios_are_to_the_first_call(script, monkeypatch):
    clock = [0.0]
    took = {"dense": 2.0, "thin": 1.0}

    def call(name):
        clock[0] += took[name]

    monkeypatch.setattr(script.time, "process_time", lambda: clock[0])
    ratio, seconds = script.ratios([lambda: call("dense"), lambda: call("thin")], 3)
    assert (ratio.tolist(), seconds) == ([1.0, 0.5], 2.0)


def test_a_small_product_is_measured(script, monkeypatch):
    monkeypatch.setattr(script, "SHORTEST", 1e-4)
    ranks, ratio, seconds = script.measured(16, 8, 4, 2, np.random.default_rng(0))
    assert len(ranks) == len(ratio) == len(script.SHARES)
    assert ranks == sorted(ranks)
    assert seconds > 0
    assert np.all(np.asarray(ratio) > 0)
