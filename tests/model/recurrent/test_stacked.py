"""Layers on top of each other."""

from functools import partial

import numpy as np
import pytest
from oracles.model.recurrent_cells import CELLS, joined

from factorattn.model.recurrent import (
    bidirectional,
    bidirectional_parameters,
    hidden_of,
    stacked,
    stacked_parameters,
    stacked_step,
)
from factorattn.testing import ROUNDING

every_cell = pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)


@every_cell
def test_a_layer_reads_the_one_below(cell):
    rng = np.random.default_rng(0)
    parameters, x = stacked_parameters(cell.draw, 3, 4, 3, rng=rng), rng.standard_normal((2, 5, 3))
    h, state = stacked(parameters, x, network=cell.network)
    want, ends = x, []
    for layer in parameters:
        want, end = cell.network(layer, want)
        ends.append(end)
    np.testing.assert_array_equal(h, want)
    for got, end in zip(state, ends, strict=True):
        np.testing.assert_array_equal(joined(got), joined(end))
    np.testing.assert_array_equal(hidden_of(state), h[:, -1])


@every_cell
def test_it_goes_step_by_step_and_chunk_by_chunk(cell):
    rng = np.random.default_rng(0)
    parameters, x = stacked_parameters(cell.draw, 3, 4, 2, rng=rng), rng.standard_normal((2, 5, 3))
    h, last = stacked(parameters, x, network=cell.network)
    state = None
    for t in range(5):
        state = stacked_step(parameters, x[:, t], state, step=cell.step)
        assert np.max(np.abs(hidden_of(state) - h[:, t])) <= ROUNDING("float64", 64)
    _, state = stacked(parameters, x[:, :2], network=cell.network)
    rest, state = stacked(parameters, x[:, 2:], state, network=cell.network)
    assert np.max(np.abs(rest - h[:, 2:])) <= ROUNDING("float64", 64)
    for one, other in zip(state, last, strict=True):
        assert np.max(np.abs(joined(one) - joined(other))) <= ROUNDING("float64", 64)


def test_two_directions_stacked_are_layers_of_both():
    rng = np.random.default_rng(0)
    cell = CELLS["lstm"]
    draw = partial(bidirectional_parameters, cell.draw)
    parameters = stacked_parameters(draw, 3, 4, 2, directions=2, rng=rng)
    h, state = stacked(parameters, rng.standard_normal((2, 5, 3)), network=partial(bidirectional, network=cell.network))
    assert h.shape == (2, 5, 8)
    np.testing.assert_array_equal(hidden_of(state), np.concatenate([h[:, -1, :4], h[:, 0, 4:]], axis=-1))


def test_layers_and_states_are_counted():
    parameters = stacked_parameters(CELLS["gru"].draw, 3, 4, 2, rng=0)
    for f, x in ((stacked, np.zeros((5, 3))), (stacked_step, np.zeros(3))):
        with pytest.raises(ValueError, match="state must be a list with one of each layer, 2, got 1"):
            f(parameters, x, [None])
        with pytest.raises(ValueError, match="parameters must be a list of at least one layer"):
            f([], x)
    with pytest.raises(ValueError, match="layers must be a positive integer, got 0"):
        stacked_parameters(CELLS["gru"].draw, 3, 4, 0)
    with pytest.raises(ValueError, match="directions must be 1 or 2, got 3"):
        stacked_parameters(CELLS["gru"].draw, 3, 4, 2, directions=3)
