"""Truncated back-propagation through time: worked by hand, and against gradients that are whole."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from libraries import LIBRARIES
from oracles import seeds
from oracles.model.recurrent_cells import CELLS, joined, moved

from factorattn.interpret.gradient import value_and_grad
from factorattn.interpret.tree import tree_map
from factorattn.model.recurrent import output_parameters, transducer, truncated
from factorattn.testing import ROUNDING


def close(got, want, length=4096):
    got, want = np.asarray(got), np.asarray(want)
    assert got.shape == want.shape
    assert np.max(np.abs(got - want)) <= max(1.0, np.max(np.abs(want))) * ROUNDING("float64", length)


def problem(cell, rng, n=7):
    """The squares of what a network gets wrong; its parameters and data."""
    parameters = {"network": cell.draw(3, 4, rng=rng), "output": output_parameters(4, 2, rng=rng)}
    inputs = {
        "x": rng.standard_normal((2, n, 3)),
        "y": rng.standard_normal((2, n, 2)),
        "mask": rng.random((2, n)) < 0.8,
    }

    def loss(parameters, inputs, state):
        x, y, mask = inputs["x"], inputs["y"], inputs["mask"]
        o, state = transducer(parameters, x, state, mask=mask, network=cell.network)
        xp = o.__array_namespace__() if hasattr(o, "__array_namespace__") else np
        return xp.sum(xp.where(mask[..., None], (o - y) ** 2, 0.0)), state

    return loss, parameters, inputs


every_cell = pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)


@every_cell
def test_a_reach_of_the_whole_sequence_is_exact(cell):
    loss, parameters, inputs = problem(cell, np.random.default_rng(0))
    (value, state), gradient = value_and_grad(loss, has_aux=True)(parameters, inputs, None)
    for told in (
        {"chunk": 7},
        {"chunk": 100},
        {"chunk": 3, "reach": 7},
        {"chunk": 3, "reach": 6},
        {"chunk": 1, "reach": 9},
    ):
        got, by_parameters, after = truncated(loss, parameters, inputs, axis=1, **told)
        close(got, value)
        tree_map(close, by_parameters, gradient)
        close(joined(after), joined(state))


@pytest.mark.parametrize("cell", [CELLS["lstm"], CELLS["gru"]], ids=["lstm", "gru"])
@settings(deadline=None, max_examples=15)
@given(seed=seeds, n=st.integers(1, 7), k1=st.integers(1, 8), more=st.integers(0, 8))
def test_a_sweep_reaches_back_as_far_as_told(cell, seed, n, k1, more):
    # The definition, chunk by chunk: from a state without gradient before it, the loss of the chunk alone.
    rng = np.random.default_rng(seed)
    loss, parameters, inputs = problem(cell, rng, n)
    value, gradient, after = truncated(loss, parameters, inputs, chunk=k1, reach=more, axis=1)
    part = lambda a, b: tree_map(lambda x: x[:, a:b], inputs)  # noqa: E731
    whole, last = loss(parameters, inputs, None)
    close(value, whole)
    close(joined(after), joined(last))
    want = tree_map(np.zeros_like, parameters)
    for start in range(0, n, k1):
        end = min(start + k1, n)
        begin = max(0, start - more)
        _, state = loss(parameters, part(0, begin), None)

        def of_chunk(parameters, before, chunk, state):
            return loss(parameters, chunk, loss(parameters, before, state)[1])[0]

        _, found = value_and_grad(of_chunk)(parameters, part(begin, start), part(start, end), state)
        want = tree_map(lambda x, y: x + y, want, found)
    tree_map(close, gradient, want)


def test_by_hand():
    # h_t = u h_(t-1) + x_t, loss sum h_t, u = 1/2: dh_t/du = h_(t-1) + u dh_(t-1)/du, cut at the chunk's begin.
    def loss(u, x, h):
        total = 0.0
        for t in range(x.shape[0]):
            h = u * h + x[t]
            total = total + h
        return total, h

    u, x, h = np.array(0.5), np.ones(4), np.array(0.0)
    states = [0.0, 1.0, 1.5, 1.75, 1.875]
    by_one = sum(states[:4])  # chunks of one time: dh_t/du = h_(t-1)
    by_two = by_one + 0.5 * (states[0] + states[2])  # 1 and 3 reach the time before
    overlapping = by_one + 0.5 * (states[0] + states[1] + states[2])  # so do all with a reach of one
    whole = overlapping + 0.25 * (states[0] + states[1]) + 0.125 * states[0]
    for told, want in (
        ({"chunk": 1}, by_one),
        ({"chunk": 2}, by_two),
        ({"chunk": 1, "reach": 1}, overlapping),
        ({"chunk": 4}, whole),
        ({"chunk": 1, "reach": 3}, whole),
    ):
        value, gradient, state = truncated(loss, u, x, h, **told)
        assert float(value) == sum(states)
        assert float(gradient) == want
        assert float(state) == states[-1]


@every_cell
def test_chunks_may_be_called_for_one_by_one(cell):
    # As one does to change parameters between them.
    loss, parameters, inputs = problem(cell, np.random.default_rng(0))
    value, gradient, _ = truncated(loss, parameters, inputs, chunk=3, axis=1)
    total, found, state = 0.0, None, None
    for start in range(0, 7, 3):
        chunk = tree_map(lambda x: x[:, start : start + 3], inputs)  # noqa: B023
        part, more, state = truncated(loss, parameters, chunk, state, chunk=3, axis=1)
        total, found = total + part, more if found is None else tree_map(np.add, found, more)
    close(total, value)
    tree_map(close, found, gradient)


@pytest.mark.parametrize("library", LIBRARIES)
def test_every_array_library_gives_the_same(library):
    xp = pytest.importorskip(library)
    loss, parameters, inputs = problem(CELLS["gru"], np.random.default_rng(0))
    value, gradient, _ = truncated(loss, parameters, inputs, chunk=2, reach=1, axis=1)
    got, found, _ = truncated(loss, moved(parameters, xp), moved(inputs, xp), chunk=2, reach=1, axis=1)
    close(got, value)
    tree_map(close, found, gradient)


def test_memory_is_that_of_the_reach():
    loss, parameters, inputs = problem(CELLS["gru"], np.random.default_rng(0), 512)
    peaks = {}
    for chunk in (8, 512):
        tracemalloc.start()
        truncated(loss, parameters, inputs, chunk=chunk, axis=1)
        peaks[chunk] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peaks[512] > 8 * peaks[8]  # a 64th of the record, and what does not depend on it


def test_no_time_has_no_gradient():
    loss, parameters, inputs = problem(CELLS["lstm"], np.random.default_rng(0))
    none = tree_map(lambda x: x[:, :0], inputs)
    value, gradient, _ = truncated(loss, parameters, none, chunk=3, axis=1)
    assert float(value) == 0
    tree_map(lambda g, p: np.testing.assert_array_equal(g, np.zeros_like(p)), gradient, parameters)


def test_bad_input_is_named():
    loss, parameters, inputs = problem(CELLS["gru"], np.random.default_rng(0))
    for told in ({"chunk": 0}, {"chunk": 3, "reach": -1}):
        with pytest.raises(ValueError, match="chunk must be positive and reach not negative, got chunk="):
            truncated(loss, parameters, inputs, axis=1, **told)
    with pytest.raises(TypeError, match=r"chunk must be an integer, got 2\.5"):
        truncated(loss, parameters, inputs, chunk=2.5)
    with pytest.raises(ValueError, match="inputs must have the same length along axis 2, got shapes"):
        truncated(loss, parameters, inputs, chunk=2, axis=2)
    with pytest.raises(ValueError, match="axis is counted from 0, got -2"):
        truncated(loss, parameters, inputs, chunk=2, axis=-2)


@pytest.mark.parametrize(("chunk", "reach"), [(1, 0), (2, 1), (3, 0)])
def test_differentiated_once_more_the_gradient_ends_where_it_did(chunk, reach):
    loss, parameters, inputs = problem(CELLS["gru"], np.random.default_rng(0), 6)

    def value_of(parameters, inputs):
        return truncated(loss, parameters, inputs, chunk=chunk, reach=reach, axis=1)[0]

    _, want, _ = truncated(loss, parameters, inputs, chunk=chunk, reach=reach, axis=1)
    tree_map(close, value_and_grad(value_of)(parameters, inputs)[1], want)
