"""The GRU: what its gates do, by hand, and its two readings of the reset gate."""

import numpy as np
import pytest
from oracles import draw

from factorattn.model.recurrent import gru, gru_parameters, gru_step
from factorattn.testing import ROUNDING

OPEN, SHUT = 1e3, -1e3


def gates(r, z, reading=0.0):
    """Two units that read their own input, and their own state by a factor, with gates that depend on nothing."""
    weight = np.concatenate([np.zeros((4, 2)), np.eye(2)])
    bias = np.repeat(np.array([r, z, 0.0]), 2)
    return {
        "input": {"weight": weight, "bias": bias},
        "recurrent": {"weight": np.zeros((4, 2))},
        "candidate": {"weight": reading * np.eye(2), "bias": np.array([0.3, -0.2])},
    }


def test_with_the_update_gate_open_the_state_is_kept():
    x, state = draw(0, (100, 2), (2,))
    h, after = gru(gates(OPEN, OPEN, 1.0), x, state)
    np.testing.assert_array_equal(after, state)
    np.testing.assert_array_equal(h, np.broadcast_to(state, (100, 2)))


@pytest.mark.parametrize(("reset", "shift"), [("before", 1.0), ("after", 0.0)])
def test_with_both_gates_shut_only_the_input_counts(reset, shift):
    # Reset after the product takes the bias of the candidate away, too.
    x, state = draw(0, (5, 2), (2,))
    h, _ = gru(gates(SHUT, SHUT, 1.0), x, state, reset=reset)
    assert np.max(np.abs(h - np.tanh(x + shift * np.array([0.3, -0.2])))) <= ROUNDING("float64", 2)


@pytest.mark.parametrize("reset", ["before", "after"])
def test_with_the_reset_gate_open_it_is_a_recurrent_network(reset):
    x, state = draw(0, (1, 2), (2,))
    h, _ = gru(gates(OPEN, SHUT, 0.5), x, state, reset=reset)
    want = np.tanh(x[0] + 0.5 * state + np.array([0.3, -0.2]))
    assert np.max(np.abs(h[0] - want)) <= ROUNDING("float64", 3)


def test_the_two_readings_differ():
    parameters = gru_parameters(3, 4, rng=0)
    x, state = draw(0, (2, 3), (4,))
    before, after = (gru_step(parameters, x[0], state, reset=reset) for reset in ("before", "after"))
    assert np.max(np.abs(before - after)) > ROUNDING("float64", 1e6)


def test_readings_have_names():
    parameters = gru_parameters(3, 4, rng=0)
    with pytest.raises(ValueError, match="reset must be 'before' or 'after', got 'both'"):
        gru(parameters, np.zeros((5, 3)), reset="both")
    with pytest.raises(ValueError, match="reset must be 'before' or 'after', got None"):
        gru_step(parameters, np.zeros(3), reset=None)


def test_blocks_of_gates_are_counted():
    parameters = gru_parameters(3, 4, rng=0)
    for layer, rows, message in (
        ("input", 11, r"input_weight must have 3 \* 4 = 12 rows, got 11"),
        ("recurrent", 7, r"recurrent_weight must have 2 \* 4 = 8 rows, got 7"),
    ):
        short = parameters | {layer: {"weight": parameters[layer]["weight"][:rows]}}
        with pytest.raises(ValueError, match=message):
            gru(short, np.zeros((5, 3)))
