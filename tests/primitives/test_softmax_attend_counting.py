"""The counted shortcut of streaming softmax counts what its reference counts when it walks over every tile."""

import itertools
import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factorattn.interpret.counting import CountingNamespace, counting
from factorattn.primitives import softmax_attend as module
from factorattn.primitives import softmax_attend_counting as shortcut
from factorattn.primitives.dispatch import kernels
from factorattn.primitives.softmax_attend import COLS, ROWS, softmax_attend

OPEN = (None, None)
SIZES = [(0, 5), (5, 0), (1, 1), (ROWS - 1, COLS + 1), (ROWS, COLS), (ROWS + 1, COLS - 1), (3 * ROWS + 7, 2 * COLS + 9)]
BANDS = [OPEN, (None, 0), (-100, 0), (-30, 40), (500, None), (-2 * COLS, 2 * COLS), (9000, None), (5, -5)]
lengths, bounds, tiles = st.integers(0, 40), st.none() | st.integers(-50, 50), st.integers(1, 9)
TABLES = {"none": None, "row": (1, "m"), "column": ("n", 1), "full": ("n", "m"), "heads": (3, "n", "m"), "one": (1, 1)}


class Walking(CountingNamespace):
    """Counting that walks over every tile."""

    def __getattribute__(self, name):
        if name in ("repeated", "stretched"):
            raise AttributeError(name)
        return super().__getattribute__(name)

    def __getattr__(self, name):
        if name in ("repeated", "stretched"):
            raise AttributeError(name)
        return super().__getattr__(name)


def table(xp, shape, n, m, dtype):
    sizes = {"n": n, "m": m}
    return None if shape is None else xp.empty(tuple(sizes.get(length, length) for length in shape), dtype=dtype)


def count(attend, xp, n, m, *, d=3, e=2, batch=(), bias=None, mask=None, **options):
    """Totals by function and kind, bytes moved, bytes at the peak, and the results of one counted call."""
    dtype = xp.float32
    q, k, v = (xp.empty(shape, dtype=dtype) for shape in ((*batch, n, d), (m, d), (m, e)))
    tables = {"bias": table(xp, bias, n, m, dtype), "mask": table(xp, mask, n, m, xp.bool)}
    xp.tally.start()
    o, lse = attend(q, k, v, scale=0.5, **tables, **options)
    totals = Counter()
    for (name, kind, number), calls in xp.tally.log.items():
        totals[name, kind] += number * calls
    return totals, xp.tally.moved, xp.tally.peak, (o.shape, o.dtype, lse.shape, lse.dtype)


def assert_counts_alike(n, m, *, e=2, **options):
    *got, results = count(shortcut.softmax_attend, counting(), n, m, e=e, **options)
    *want, expected = count(softmax_attend.reference, Walking(), n, m, e=e, **options)
    assert (got[:2], results) == (want[:2], expected)
    members = math.prod(results[0][:-2])
    row_of_tiles, outputs = (4 * members * rows * (e + 2) for rows in (module.ROWS, n))
    # With a band, the walk may meet its largest tiles before it holds all outputs; the shortcut holds them throughout.
    spare = row_of_tiles if options.get("band", OPEN) == OPEN else row_of_tiles + outputs
    assert want[2] - row_of_tiles <= got[2] <= want[2] + spare


@pytest.mark.parametrize("band", BANDS, ids=str)
@pytest.mark.parametrize(("n", "m"), SIZES)
def test_operations_bytes_moved_and_results_are_those_of_the_reference(n, m, band):
    assert_counts_alike(n, m, band=band)


@pytest.mark.parametrize("n", [ROWS - 1, 2 * ROWS, 3 * ROWS + 7])
@pytest.mark.parametrize("mask", [None, (1, "m")], ids=["open", "mask"])
@pytest.mark.parametrize("band", [OPEN, (None, 0), (-300, 300)], ids=str)
def test_bytes_held_at_the_peak_are_those_of_the_reference_but_for_a_row_of_tiles(n, mask, band):
    m, e = 2 * COLS + 9, 2
    got, want = (
        count(attend, xp, n, m, e=e, mask=mask, band=band)[2]
        for attend, xp in ((shortcut.softmax_attend, counting()), (softmax_attend.reference, Walking()))
    )
    assert abs(got - want) <= 4 * ROWS * (e + 2)


def test_without_keys_the_peak_is_that_of_the_reference_too():
    assert_counts_alike(2 * ROWS, 0, d=64)


@pytest.mark.parametrize("band", [OPEN, (None, 40), (-300, 300)], ids=str)
@pytest.mark.parametrize("softcap", [None, 30.0])
@pytest.mark.parametrize("mask", TABLES.values(), ids=TABLES.keys())
@pytest.mark.parametrize("bias", TABLES.values(), ids=TABLES.keys())
def test_bias_mask_and_softcap_are_counted_as_in_the_reference(bias, mask, softcap, band):
    assert_counts_alike(2 * ROWS + 7, COLS + 9, bias=bias, mask=mask, softcap=softcap, band=band)


@pytest.mark.parametrize("band", [OPEN, (None, 40)], ids=str)
def test_batches_are_counted_as_in_the_reference(band):
    assert_counts_alike(2 * ROWS + 7, COLS + 9, batch=(3,), band=band)
    assert_counts_alike(2 * ROWS, COLS, batch=(3,), bias=(1, "n", "m"), band=band)


@settings(deadline=None)
@given(lengths, lengths, bounds, bounds, tiles, tiles)
def test_any_size_band_and_tile_is_counted_as_in_the_reference(n, m, lo, hi, rows, cols):
    with pytest.MonkeyPatch.context() as patch:
        for place, (name, size) in itertools.product((module, shortcut), (("ROWS", rows), ("COLS", cols))):
            patch.setattr(place, name, size)
        assert_counts_alike(n, m, band=(lo, hi))


def test_a_namespace_that_counts_gets_the_shortcut():
    with kernels("require") as log:
        count(softmax_attend, counting(), 5, 7)
    assert [choice.ran for choice in log] == ["softmax_attend_counting"]


@pytest.mark.parametrize("band", [OPEN, (None, 0), (-4096, 0), (-128, 128)], ids=["open", "causal", "past", "window"])
def test_a_million_queries_take_a_step_for_each_kind_of_tile_and_no_more(monkeypatch, band):
    steps, n, d = [], 2**20, 64

    def absorb(state, q, k, v, **options):
        steps.append((q.shape[-2], k.shape[-2], options["seen"] is not None))
        return module.absorb(state, q, k, v, **options)

    monkeypatch.setattr(shortcut, "absorb", absorb)
    totals, *_ = count(softmax_attend, counting(), n, n, d=d, e=d, band=band)
    assert len(set(steps)) == len(steps) < 16
    lo, hi = band
    pairs = sum(
        ROWS * (n if hi is None else min(stop + hi, n)) - ROWS * (0 if lo is None else max(stop - ROWS + lo, 0))
        for stop in range(ROWS, n + 1, ROWS)
    )
    products = totals["matmul", "contract"]
    if band == OPEN:
        assert products == 2 * (d + d) * pairs
    else:  # tiles that the band cuts take one more column: which values are not finite
        assert 2 * (d + d) * pairs < products <= 2 * (d + d + 1) * pairs
