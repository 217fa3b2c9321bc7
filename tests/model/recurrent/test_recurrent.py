"""The recurrent network: worked by hand."""

import numpy as np
import pytest

from factorattn.model.recurrent import recurrent, recurrent_parameters, recurrent_step
from factorattn.testing import ROUNDING


def test_a_unit_that_adds_up():
    one = {"input": {"weight": np.ones((1, 1))}, "recurrent": {"weight": np.ones((1, 1))}}
    h, state = recurrent(one, np.array([[1.0], [2.0], [3.0]]), activation="identity")
    np.testing.assert_array_equal(h, [[1.0], [3.0], [6.0]])
    np.testing.assert_array_equal(state, [6.0])


def test_a_unit_that_halves_what_it_knew():
    half = {
        "input": {"weight": np.ones((1, 1)), "bias": np.array([1.0])},
        "recurrent": {"weight": np.full((1, 1), 0.5)},
    }
    h, _ = recurrent(half, np.array([[1.0], [-3.0], [0.0]]), np.array([4.0]), activation="relu")
    np.testing.assert_array_equal(h, [[4.0], [0.0], [1.0]])


@pytest.mark.parametrize(
    ("activation", "f"), [("tanh", np.tanh), ("sigmoid", lambda a: 1 / (1 + np.exp(-a))), ("identity", lambda a: a)]
)
def test_activations_have_names(activation, f):
    parameters, x = recurrent_parameters(3, 4, rng=0), np.array([0.5, -1.0, 2.0])
    a = sum(parameters[name]["bias"] for name in ("input", "recurrent")) + parameters["input"]["weight"] @ x
    got = recurrent_step(parameters, x, activation=activation)
    assert np.max(np.abs(got - f(a))) <= max(1, np.max(np.abs(a))) * ROUNDING("float64", 8)


def test_an_unknown_activation_is_named():
    with pytest.raises(ValueError, match=r"activation must be 'tanh' or 'relu' .* got 'gelu'"):
        recurrent(recurrent_parameters(3, 4, rng=0), np.zeros((5, 3)), activation="gelu")
