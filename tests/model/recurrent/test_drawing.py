"""Parameters to begin with: shapes, ranges, orthogonality, seeds."""

from functools import partial

import numpy as np
import pytest

from factorattn.interpret.tree import tree_leaves, tree_map
from factorattn.model.recurrent import (
    bidirectional_parameters,
    gru_parameters,
    lstm_parameters,
    output_parameters,
    output_recurrent_parameters,
    recurrent_parameters,
    stacked_parameters,
)
from factorattn.testing import CHANCE, ROUNDING

CELLS = {"recurrent": (recurrent_parameters, 1), "lstm": (lstm_parameters, 4), "gru": (gru_parameters, 3)}
every_cell = pytest.mark.parametrize(("draw", "gates"), CELLS.values(), ids=CELLS)


def recurrent_blocks(parameters, hidden):
    """All square matrices between states, gate by gate."""
    square = [parameters[name]["weight"] for name in ("recurrent", "candidate") if name in parameters]
    return np.concatenate(square).reshape(-1, hidden, hidden)


@every_cell
def test_uniform_numbers_fill_their_range(draw, gates):
    drawn = np.concatenate([x.ravel() for x in tree_leaves(draw(30, 64, rng=0))])
    bound = 1 / np.sqrt(64)
    assert np.all(np.abs(drawn) <= bound)
    assert np.max(np.abs(drawn)) > 0.99 * bound
    assert abs(np.mean(drawn)) <= CHANCE(drawn)
    assert abs(np.mean(drawn**2) - bound**2 / 3) <= CHANCE(drawn**2)


@every_cell
def test_orthogonal_matrices_are_so_gate_by_gate(draw, gates):
    parameters = draw(30, 64, rng=0, draw="orthogonal")
    blocks = recurrent_blocks(parameters, 64)
    assert len(blocks) == gates
    gram = np.einsum("gij,gkj->gik", blocks, blocks)
    assert np.max(np.abs(gram - np.eye(64))) <= ROUNDING("float64", 64)
    weight = parameters["input"]["weight"]
    bound = np.sqrt(6 / (30 + 64))
    assert weight.shape == (gates * 64, 30)
    assert 0.99 * bound < np.max(np.abs(weight)) <= bound
    assert abs(np.mean(weight**2) - 2 / (30 + 64)) <= CHANCE(weight.ravel() ** 2)
    assert not any(np.any(layer["bias"]) for layer in parameters.values())


def test_forget_gates_may_begin_open():
    for draw in ("uniform", "orthogonal"):
        drawn, opened = (lstm_parameters(3, 4, rng=0, draw=draw, forget=forget) for forget in (None, 1.0))
        total = opened["input"]["bias"] + opened["recurrent"]["bias"]
        np.testing.assert_array_equal(total[4:8], np.ones(4))
        others = np.r_[0:4, 8:16]
        np.testing.assert_array_equal(total[others], (drawn["input"]["bias"] + drawn["recurrent"]["bias"])[others])
    with pytest.raises(TypeError, match="forget must be a real number"):
        lstm_parameters(3, 4, forget="open")


@every_cell
def test_seeds_and_dtypes_are_kept(draw, gates):
    one, two, other = (draw(3, 4, rng=seed, dtype="float32") for seed in (7, 7, 8))
    tree_map(np.testing.assert_array_equal, one, two)
    assert not np.array_equal(one["input"]["weight"], other["input"]["weight"])
    assert all(x.dtype == np.float32 for x in tree_leaves(one))
    stack = stacked_parameters(
        partial(bidirectional_parameters, partial(draw, dtype="float32")), 3, 4, 2, directions=2, rng=0
    )
    assert stack[1]["backward"]["input"]["weight"].shape == (gates * 4, 8)
    assert all(x.dtype == np.float32 for x in tree_leaves(stack))
    assert not np.array_equal(stack[0]["forward"]["input"]["weight"], stack[0]["backward"]["input"]["weight"])


@pytest.mark.parametrize(("hidden", "out"), [(5, 3), (3, 5)])
def test_feedback_has_orthonormal_rows_or_columns(hidden, out):
    parameters = output_recurrent_parameters(2, hidden, out, rng=0, draw="orthogonal")
    weight = parameters["feedback"]["weight"]
    assert weight.shape == (hidden, out)
    assert parameters["output"]["weight"].shape == (out, hidden)
    gram = weight @ weight.T if hidden < out else weight.T @ weight
    assert np.max(np.abs(gram - np.eye(min(hidden, out)))) <= ROUNDING("float64", 5)


def test_outputs_have_their_own_bound():
    layer = output_parameters(100, 7, rng=0)
    assert layer["weight"].shape == (7, 100)
    assert 0.09 < np.max(np.abs(layer["weight"])) <= 0.1
    assert layer["bias"].shape == (7,)


@every_cell
def test_bad_sizes_are_named(draw, gates):
    with pytest.raises(ValueError, match="hidden must be a positive integer, got 0"):
        draw(3, 0)
    with pytest.raises(ValueError, match="c must be a positive integer, got -1"):
        draw(-1, 3)
    with pytest.raises(TypeError, match=r"hidden must be an integer, got 2\.5"):
        draw(3, 2.5)
    with pytest.raises(ValueError, match="draw must be 'uniform' or 'orthogonal', got 'normal'"):
        draw(3, 4, draw="normal")
    with pytest.raises(ValueError, match="out must be a positive integer, got 0"):
        output_parameters(3, 0)


@every_cell
def test_a_dtype_that_is_not_floating_is_refused(draw, gates):
    with pytest.raises(ValueError, match="dtype must be real floating, got int32"):
        draw(3, 4, rng=0, dtype="int32")
