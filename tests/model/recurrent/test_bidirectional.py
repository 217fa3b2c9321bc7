"""Networks in two directions against plain loops."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, seeds
from oracles.model import recurrent as oracle
from oracles.model.recurrent_cells import CELLS, as_lists, begin, flat, joined

from factorattn.model.recurrent import bidirectional, bidirectional_parameters, hidden_of, stacked, stacked_parameters
from factorattn.testing import ROUNDING
from factorattn.testing.differences import check_gradients

every_cell = pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)


@every_cell
@settings(deadline=None, max_examples=15)
@given(seed=seeds, n=st.integers(0, 5), c=st.integers(1, 3), hidden=st.integers(1, 3), masked=st.booleans())
def test_both_directions_are_those_of_the_oracle(cell, seed, n, c, hidden, masked):
    rng = np.random.default_rng(seed)
    parameters = bidirectional_parameters(cell.draw, c, hidden, rng=rng)
    x, mask = rng.standard_normal((n, c)), rng.random(n) < 0.6 if masked else None
    states = {way: begin(cell, rng, (), hidden) for way in ("forward", "backward")}
    h, after = bidirectional(parameters, x, states, mask=mask, network=cell.network)
    p = as_lists(parameters)
    ahead, back = (partial(cell.oracle, p[way]) for way in ("forward", "backward"))
    starts = [as_lists(states[way]) for way in ("forward", "backward")]
    told = None if mask is None else mask.tolist()
    want, ends = oracle.bidirectional(ahead, back, x.tolist(), starts, told)
    agree(h, np.reshape(want, (n, 2 * hidden)), 64 * c * hidden * max(n, 1))
    for way, end in zip(("forward", "backward"), ends, strict=True):
        agree(joined(after[way]), flat(end), 64 * c * hidden * max(n, 1))


@every_cell
def test_padding_is_not_read_from_the_end(cell):
    rng = np.random.default_rng(0)
    parameters = bidirectional_parameters(cell.draw, 3, 4, rng=rng)
    x, mask = rng.standard_normal((2, 6, 3)), np.arange(6) < np.array([[4], [6]])
    h, state = bidirectional(parameters, np.where(mask[..., None], x, np.nan), mask=mask, network=cell.network)
    for at, n in enumerate((4, 6)):
        alone, end = bidirectional(parameters, x[at, :n], network=cell.network)
        assert np.max(np.abs(h[at, :n] - alone)) <= ROUNDING("float64", 64)
        assert np.max(np.abs(hidden_of(state)[at] - hidden_of(end))) <= ROUNDING("float64", 64)


def test_turning_time_around_swaps_the_directions():
    rng = np.random.default_rng(0)
    parameters = bidirectional_parameters(CELLS["gru"].draw, 3, 4, rng=rng)
    x = rng.standard_normal((5, 3))
    swapped = {"forward": parameters["backward"], "backward": parameters["forward"]}
    h, _ = bidirectional(parameters, x, network=CELLS["gru"].network)
    other, _ = bidirectional(swapped, x[::-1], network=CELLS["gru"].network)
    np.testing.assert_array_equal(h, np.concatenate([other[::-1, 4:], other[::-1, :4]], axis=-1))


def test_every_time_knows_the_whole_sequence():
    rng = np.random.default_rng(0)
    parameters = bidirectional_parameters(CELLS["lstm"].draw, 3, 4, rng=rng)
    x = rng.standard_normal((5, 3))
    h, _ = bidirectional(parameters, x, network=CELLS["lstm"].network)
    for t in range(5):
        other = x.copy()
        other[t] += 1
        changed, _ = bidirectional(parameters, other, network=CELLS["lstm"].network)
        assert np.all(np.any(h != changed, axis=-1))


def test_layers_in_two_directions_have_gradients():
    rng = np.random.default_rng(0)
    draw = partial(bidirectional_parameters, CELLS["gru"].draw)
    parameters = stacked_parameters(draw, 3, 2, 2, directions=2, rng=rng)
    network = partial(stacked, network=partial(bidirectional, network=CELLS["gru"].network))
    x, mask = rng.standard_normal((2, 4, 3)), np.arange(4) < np.array([[2], [4]])
    check_gradients(lambda p, x, mask: network(p, x, mask=mask), parameters, x, mask)


def test_a_direction_that_is_not_there_is_named():
    with pytest.raises(KeyError, match="backward"):
        bidirectional({"forward": CELLS["recurrent"].draw(3, 4, rng=0)}, np.zeros((5, 3)))
