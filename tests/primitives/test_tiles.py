"""`scan_tiles` is a plain loop over slices, and counting reads one of many equal tiles instead of all."""

import array_api_compat.numpy as xnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factorattn.interpret.counting import CountingNamespace, counting
from factorattn.primitives.tiles import scan_tiles

starts, lengths, sizes = st.integers(0, 20), st.integers(0, 40), st.integers(1, 15)


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


def tiles_of(start, stop, size):
    tiles = []
    while start < stop:
        tiles.append(slice(start, min(start + size, stop)))
        start += size
    return tiles


def cumulative(x, xp):
    """A step whose outputs depend on the state: the sum of all tiles so far, in every row."""

    def step(total, tile):
        total = total + xp.sum(x[:, tile, :], axis=-2, keepdims=True)
        return total, (total * x[:, tile, :], 2.0 * x[:, tile, :1])

    return step


@settings(deadline=None)
@given(starts, lengths, sizes)
def test_tiles_follow_one_another_without_gap_or_overlap(start, length, size):
    seen = []
    state, out = scan_tiles(lambda s, tile: (s + 1, seen.append(tile)), 0, start, start + length, size, xp=xnp)
    assert seen == tiles_of(start, start + length, size)
    assert [i for tile in seen for i in range(tile.start, tile.stop)] == list(range(start, start + length))
    assert state == len(seen)
    assert out is None


@settings(deadline=None)
@given(starts, lengths, sizes)
def test_states_are_handed_on_and_outputs_are_joined_as_in_a_plain_loop(start, length, size):
    x = np.random.default_rng(0).standard_normal((2, start + length, 3))
    step, zero = cumulative(x, np), np.zeros((2, 1, 3))
    state, outs = scan_tiles(step, zero, start, start + length, size, xp=xnp)
    expected, parts = zero, []
    for tile in tiles_of(start, start + length, size):
        expected, out = step(expected, tile)
        parts.append(out)
    np.testing.assert_array_equal(state, expected)
    if not parts:
        assert outs is None
        return
    assert isinstance(outs, tuple)
    for got, want in zip(outs, zip(*parts, strict=True), strict=True):
        np.testing.assert_array_equal(got, np.concatenate(want, axis=-2))


@settings(deadline=None)
@given(lengths.filter(bool), sizes, st.sampled_from([0, 1, -1, -2]))
def test_a_single_array_is_joined_along_the_axis_asked_for(length, size, axis):
    x = np.arange(2 * length).reshape(2, length) if axis in (1, -1) else np.arange(2 * length).reshape(length, 2)
    take = (lambda tile: x[:, tile]) if axis in (1, -1) else (lambda tile: x[tile, :])
    _, out = scan_tiles(lambda state, tile: (state, take(tile)), None, 0, length, size, xp=xnp, axis=axis)
    np.testing.assert_array_equal(out, x)


def test_an_output_of_one_tile_is_passed_through_uncopied():
    x = np.ones((3, 2))
    assert scan_tiles(lambda state, tile: (state, x), None, 0, 3, 3, xp=xnp)[1] is x


@pytest.mark.parametrize(("start", "stop"), [(0, 0), (4, 4), (5, 3)])
def test_no_tile_leaves_the_state_and_gives_no_output(start, stop):
    def step(state, tile):
        raise AssertionError("called")

    assert scan_tiles(step, "state", start, stop, 2, xp=xnp) == ("state", None)
    assert scan_tiles(step, "state", start, stop, 2, xp=counting()) == ("state", None)


def count(xp, start, length, size, alike=True):
    """What counting tells of `cumulative`: totals of operations, bytes moved, peak, and the shapes of the results."""
    x, zero = xp.empty((2, start + length, 3), dtype=xp.float32), xp.zeros((2, 1, 3), dtype=xp.float32)
    xp.tally.start()
    state, outs = scan_tiles(cumulative(x, xp), zero, start, start + length, size, xp=xp, alike=alike)
    totals = {}
    for (name, kind, number), calls in xp.tally.log.items():
        totals[name, kind] = totals.get((name, kind), 0) + number * calls
    return totals, xp.tally.moved, xp.tally.peak, state.shape, outs and [out.shape for out in outs]


@settings(deadline=None)
@given(starts, lengths, sizes)
def test_counting_one_of_many_tiles_counts_as_much_as_counting_all(start, length, size):
    read, walked = count(counting(), start, length, size), count(Walking(), start, length, size)
    *_, peak, state, outs = read
    assert (*read[:2], state, outs) == (*walked[:2], *walked[3:])
    outputs_of_a_tile = 4 * 2 * size * (3 + 1)
    assert walked[2] <= peak <= walked[2] + outputs_of_a_tile


@settings(deadline=None)
@given(starts, lengths, sizes)
def test_tiles_that_are_not_alike_are_all_read(start, length, size):
    assert count(counting(), start, length, size, alike=False) == count(Walking(), start, length, size)


@pytest.mark.parametrize(("length", "reads"), [(10**6 * 7, 2), (10**6 * 7 + 3, 3), (7, 1), (8, 2), (14, 2), (15, 3)])
def test_a_million_tiles_are_counted_by_reading_three(length, reads):
    xp, tiles = counting(), []
    x = xp.empty((length, 2), dtype=xp.float32)

    def step(state, tile):
        tiles.append(tile)
        return state, x[tile, :] + 1.0

    xp.tally.start()
    _, out = scan_tiles(step, None, 0, length, 7, xp=xp)
    assert len(tiles) == reads
    assert out.shape == (length, 2)
    assert xp.tally.flops == 2 * length


def test_outputs_of_tiles_within_tiles_are_counted_as_in_a_plain_loop():
    def nested(xp):
        x = xp.empty((1, 29, 3), dtype=xp.float32)

        def inner(total, cols):
            return total + 0.5 * x[:, cols, :1], None

        def outer(state, rows):
            total, _ = scan_tiles(inner, xp.zeros((1, 2, 1), dtype=xp.float32), 0, 12, 2, xp=xp)
            return state, x[:, rows, :] * total[:, :1, :]

        xp.tally.start()
        scan_tiles(outer, None, 0, 29, 4, xp=xp)
        return xp.tally.by_kind, xp.tally.moved

    assert nested(counting()) == nested(Walking())
    assert nested(counting())[0] == {"elementwise": 8 * 6 * (2 + 2) + 29 * 3}
