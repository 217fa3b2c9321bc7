"""The LSTM: what its gates do, by hand."""

import numpy as np
import pytest
from oracles import draw

from factorattn.model.recurrent import lstm, lstm_parameters, lstm_step
from factorattn.testing import ROUNDING

OPEN, SHUT = 1e3, -1e3  # what a sigmoid is given to be one, or zero, to the last digit


def gates(i, f, o):
    """Parameters of two cells that read their own input, with gates that do not depend on anything."""
    weight = np.zeros((8, 2))
    weight[4:6] = np.eye(2)  # the candidate alone
    bias = np.repeat(np.array([i, f, 0.0, o]), 2)
    return {"input": {"weight": weight, "bias": bias}, "recurrent": {"weight": np.zeros((8, 2))}}


def test_with_forget_and_input_gates_open_the_cell_adds_up():
    (x,) = draw(0, (6, 2))
    h, (_, cell) = lstm(gates(OPEN, OPEN, OPEN), x)
    want = np.cumsum(np.tanh(x), axis=0)
    assert np.max(np.abs(cell - want[-1])) <= ROUNDING("float64", 6)
    assert np.max(np.abs(h - np.tanh(want))) <= ROUNDING("float64", 6)


def test_with_the_input_gate_shut_the_cell_is_kept_for_ever():
    x, cell = draw(0, (1000, 2), (2,))
    _, (_, after) = lstm(gates(SHUT, OPEN, OPEN), x, (np.zeros(2), cell))
    np.testing.assert_array_equal(after, cell)


def test_with_the_forget_gate_shut_only_the_last_input_counts():
    (x,) = draw(0, (6, 2))
    _, (_, cell) = lstm(gates(OPEN, SHUT, OPEN), x)
    assert np.max(np.abs(cell - np.tanh(x[-1]))) <= ROUNDING("float64", 1)


def test_with_the_output_gate_shut_nothing_is_told():
    (x,) = draw(0, (6, 2))
    h, (_, cell) = lstm(gates(OPEN, OPEN, SHUT), x)
    np.testing.assert_array_equal(h, np.zeros((6, 2)))
    assert np.any(cell)


def test_gates_at_zero_are_a_half():
    x = np.array([[0.3, -0.7]])
    h, (_, cell) = lstm(gates(0.0, 0.0, 0.0), x, (np.zeros(2), np.array([1.0, 2.0])))
    want = 0.5 * np.array([1.0, 2.0]) + 0.5 * np.tanh(x[0])
    assert np.max(np.abs(cell - want)) <= ROUNDING("float64", 2)
    assert np.max(np.abs(h[0] - 0.5 * np.tanh(want))) <= ROUNDING("float64", 2)


def test_states_are_two_arrays():
    parameters = lstm_parameters(3, 4, rng=0)
    for state in (np.zeros(4), (np.zeros(4),), [np.zeros(4)] * 3):
        with pytest.raises(ValueError, match=r"state must be two arrays, \(h, c\), got "):
            lstm(parameters, np.zeros((5, 3)), state)
        with pytest.raises(ValueError, match=r"state must be two arrays, \(h, c\), got "):
            lstm_step(parameters, np.zeros(3), state)


def test_blocks_of_gates_are_counted():
    parameters = lstm_parameters(3, 4, rng=0)
    short = {name: {"weight": layer["weight"][:15]} for name, layer in parameters.items()}
    with pytest.raises(ValueError, match=r"input_weight and recurrent_weight must have 4 \* 4 = 16 rows, got 15"):
        lstm(short, np.zeros((5, 3)))
