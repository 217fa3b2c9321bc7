"""Recurrent networks, LSTM and GRU against plain loops; and what all of them promise alike."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from libraries import LIBRARIES
from oracles import agree, seeds, sizes
from oracles.model import recurrent as oracle
from oracles.model.recurrent_cells import CELLS, as_lists, begin, flat, joined, moved

import factorattn as fa
from factorattn.factor import truncated_svd
from factorattn.interpret.tree import tree_map
from factorattn.testing import ROUNDING
from factorattn.testing.differences import check_gradients

every_cell = pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
LONG = 64  # a time is that many terms, or fewer: products, gates, sums


def close(got, want, length=LONG):
    got, want = np.asarray(got), np.asarray(want)
    assert got.shape == want.shape
    scale = max(1.0, np.max(np.abs(want), initial=0.0))
    assert np.max(np.abs(got - want), initial=0.0) <= scale * ROUNDING(got.dtype, length)


@pytest.fixture(params=LIBRARIES)
def xp(request):
    return pytest.importorskip(request.param)


@every_cell
@settings(deadline=None, max_examples=25)
@given(seed=seeds, b=st.integers(1, 2), n=st.integers(0, 5), c=sizes, hidden=sizes, masked=st.booleans())
def test_every_time_is_that_of_the_oracle(cell, seed, b, n, c, hidden, masked):
    rng = np.random.default_rng(seed)
    parameters = cell.draw(c, hidden, rng=rng)
    x, state = rng.standard_normal((b, n, c)), begin(cell, rng, (b,), hidden)
    mask = rng.random((b, n)) < 0.6 if masked else None
    h, after = cell.network(parameters, x, state, mask=mask)
    p, starts = as_lists(parameters), as_lists(state)
    want, ends = [], []
    for at in range(b):
        start = tuple(part[at] for part in starts) if cell.parts > 1 else starts[at]
        step = lambda x, s: cell.oracle(p, x, s)  # noqa: E731
        found, end = oracle.sequence(step, x[at].tolist(), start, None if mask is None else mask[at].tolist())
        want.append(found)
        ends.append(flat(end))
    agree(h, np.reshape(want, (b, n, hidden)), LONG * c * hidden * max(n, 1))
    agree(joined(after), ends, LONG * c * hidden * max(n, 1))


@every_cell
def test_a_step_is_one_time_of_the_sequence(cell):
    rng = np.random.default_rng(0)
    parameters, x = cell.draw(3, 4, rng=rng), rng.standard_normal((2, 5, 3))
    h, after = cell.network(parameters, x)
    state = None
    for t in range(5):
        state = cell.step(parameters, x[:, t], state)
        close(joined(state)[:, :4], h[:, t])
    close(joined(state), joined(after))
    one = None
    for t in range(5):  # without batch
        one = cell.step(parameters, x[1, t], one)
    close(joined(one), joined(after)[1])


@every_cell
def test_a_sequence_goes_on_from_its_state(cell):
    rng = np.random.default_rng(0)
    parameters, x = cell.draw(3, 4, rng=rng), rng.standard_normal((2, 7, 3))
    whole, last = cell.network(parameters, x)
    first, state = cell.network(parameters, x[:, :3])
    second, after = cell.network(parameters, x[:, 3:], state)
    close(np.concatenate([first, second], axis=1), whole)
    close(joined(after), joined(last))


@every_cell
def test_padding_changes_nothing(cell):
    rng = np.random.default_rng(0)
    parameters, x = cell.draw(3, 4, rng=rng), rng.standard_normal((2, 6, 3))
    lengths = (4, 6)
    mask = np.arange(6) < np.array(lengths)[:, None]
    h, after = cell.network(parameters, np.where(mask[..., None], x, np.nan), mask=mask)
    for at, n in enumerate(lengths):
        alone, end = cell.network(parameters, x[at, :n])
        close(h[at, :n], alone)
        close(joined(after)[at], joined(end))
        close(h[at, n:], np.broadcast_to(alone[-1], (6 - n, 4)))  # the state waits


@every_cell
def test_batch_axes_lead_and_broadcast(cell):
    rng = np.random.default_rng(0)
    parameters, x = cell.draw(3, 4, rng=rng), rng.standard_normal((2, 1, 5, 3))
    state = begin(cell, rng, (3,), 4)
    h, after = cell.network(parameters, x, state)
    assert h.shape == (2, 3, 5, 4)
    assert joined(after).shape == (2, 3, 4 * cell.parts)
    one = tree_map(lambda part: part[2], state)
    close(h[1, 2], cell.network(parameters, x[1, 0], one)[0])
    several, _ = cell.network(parameters, x[0, 0], state)  # one sequence, several states
    close(several, h[0])
    masked, _ = cell.network(parameters, x[0, 0], mask=np.ones((6, 5), bool))
    assert masked.shape == (6, 5, 4)


@every_cell
def test_every_array_library_gives_the_same(cell, xp):
    rng = np.random.default_rng(0)
    parameters, x = cell.draw(3, 4, rng=rng), rng.standard_normal((2, 5, 3))
    mask, state = np.arange(5) < np.array([[3], [5]]), begin(cell, rng, (2,), 4)
    want, last = cell.network(parameters, x, state, mask=mask)
    got, after = cell.network(moved(parameters, xp), xp.asarray(x), moved(state, xp), mask=xp.asarray(mask))
    close(np.asarray(got), want)
    close(joined(after), joined(last))
    step = cell.step(moved(parameters, xp), xp.asarray(x[:, 0]), moved(state, xp))
    close(joined(step)[:, :4], want[:, 0])


@every_cell
def test_every_matrix_may_be_factored(cell, xp):
    rng = np.random.default_rng(0)
    drawn, x = cell.draw(3, 4, rng=rng), rng.standard_normal((2, 5, 3))
    factored = {name: layer | {"weight": truncated_svd(layer["weight"], 2)} for name, layer in drawn.items()}
    dense = {name: layer | {"weight": layer["weight"].to_dense()} for name, layer in factored.items()}
    inside = {
        name: {"weight": layer["weight"].map(xp.asarray), "bias": xp.asarray(layer["bias"])}
        for name, layer in factored.items()
    }
    close(cell.network(inside, xp.asarray(x))[0], cell.network(dense, x)[0])
    close(joined(cell.step(inside, xp.asarray(x[:, 0]))), joined(cell.step(dense, x[:, 0])))


@every_cell
def test_gradients_are_those_of_differences(cell):
    rng = np.random.default_rng(0)
    parameters, x = cell.draw(3, 4, rng=rng), rng.standard_normal((2, 4, 3))
    mask, state = np.array([[True, True, False, True], [True] * 4]), begin(cell, rng, (2,), 4)
    check_gradients(lambda p, x, s, mask: cell.network(p, x, s, mask=mask), parameters, x, state, mask)
    check_gradients(cell.step, parameters, x[:, 0], state)


@every_cell
def test_biases_may_be_left_out(cell):
    rng = np.random.default_rng(0)
    parameters, x = cell.draw(3, 4, rng=rng), rng.standard_normal((2, 5, 3))
    bare = {name: {"weight": layer["weight"]} for name, layer in parameters.items()}
    zero = {name: layer | {"bias": 0 * layer["bias"]} for name, layer in parameters.items()}
    np.testing.assert_array_equal(cell.network(bare, x)[0], cell.network(zero, x)[0])
    np.testing.assert_array_equal(joined(cell.step(bare, x[:, 0])), joined(cell.step(zero, x[:, 0])))


@every_cell
def test_precision_is_that_of_the_inputs(cell):
    rng = np.random.default_rng(0)
    parameters, x = cell.draw(3, 4, rng=rng, dtype="float32"), rng.standard_normal((2, 5, 3)).astype("float32")
    want, _ = cell.network(tree_map(np.float64, parameters), x.astype("float64"))
    single, state = cell.network(parameters, x)
    assert single.dtype == joined(state).dtype == np.float32
    close(single, want.astype("float32"))
    half = tree_map(np.float16, parameters), x.astype("float16")
    got, state = cell.network(*half)
    assert got.dtype == np.float16
    assert joined(state).dtype == np.float32
    np.testing.assert_array_equal(got, cell.network(tree_map(np.float32, half[0]), np.float32(half[1]))[0].astype("f2"))
    first, state = cell.network(half[0], half[1][:, :2])  # going on loses nothing, and stays in half precision
    second, _ = cell.network(half[0], half[1][:, 2:], state)
    np.testing.assert_array_equal(np.concatenate([first, second], axis=1), got)


@every_cell
def test_inputs_may_be_huge(cell):
    rng = np.random.default_rng(0)
    parameters = cell.draw(3, 4, rng=rng)
    h, state = cell.network(parameters, 1e200 * rng.standard_normal((5, 3)))
    assert np.all(np.isfinite(h))
    assert np.all(np.isfinite(joined(state)))


@every_cell
@pytest.mark.parametrize("shape", [(2, 0, 3), (0, 5, 3), (0, 0, 3)])
def test_no_time_leaves_the_state(cell, xp, shape):
    rng = np.random.default_rng(0)
    parameters, state = cell.draw(3, 4, rng=rng), begin(cell, rng, (shape[0],), 4)
    x = xp.zeros(shape, dtype=xp.float64)
    h, after = cell.network(moved(parameters, xp), x, moved(state, xp), mask=xp.ones(shape[:2], dtype=xp.bool))
    assert h.shape == (*shape[:2], 4)
    if not shape[1]:
        np.testing.assert_array_equal(joined(after), joined(state))


@every_cell
def test_nothing_that_was_given_is_changed(cell):
    rng = np.random.default_rng(0)
    parameters, x, state = cell.draw(3, 4, rng=rng), rng.standard_normal((2, 5, 3)), begin(cell, rng, (2,), 4)
    mask = np.ones((2, 5), bool)

    def freeze(array):
        array.flags.writeable = False

    tree_map(freeze, [parameters, x, state, mask])
    cell.network(parameters, x, state, mask=mask)
    cell.step(parameters, x[:, 0], state)


@every_cell
def test_it_can_be_counted(cell):
    counts = fa.counting()
    parameters = tree_map(lambda p: counts.empty(p.shape), cell.draw(3, 4, rng=0))
    h, _ = cell.network(parameters, counts.empty((2, 5, 3)))
    assert h.shape == (2, 5, 4)


@every_cell
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"x": np.zeros((5, 2))}, ValueError, r"axis 'c' is 2 in x \(5, 2\) but 3 in input_weight"),
        ({"x": np.zeros(3)}, ValueError, r"x needs shape \(\.\.\., n, c\), got \(3,\)"),
        ({"x": np.zeros((5, 3), int)}, TypeError, "x must have a real floating dtype, got int"),
        ({"mask": np.ones(5)}, TypeError, "mask must be boolean, True where there is a token, got float64"),
        ({"mask": [True] * 5}, TypeError, "mask must be an array of the same library as x, got list"),
        ({"mask": np.ones(4, bool)}, ValueError, r"mask must have shape \(\.\.\., 5\), the n of x, got \(4,\)"),
        ({"mask": np.ones((3, 5), bool), "x": np.zeros((2, 5, 3))}, ValueError, r"batch axes must broadcast, got mask"),
    ],
)
def test_bad_input_is_named(cell, change, error, message):
    with pytest.raises(error, match=message):
        cell.network(cell.draw(3, 4, rng=0), **{"x": np.zeros((5, 3))} | change)


@every_cell
def test_a_state_of_another_size_is_refused(cell):
    parameters, x = cell.draw(3, 4, rng=0), np.zeros((5, 3))
    wrong = np.zeros(6)
    with pytest.raises(ValueError, match=r"axis 'hidden' is 4 in .* but 6 in"):
        cell.network(parameters, x, (wrong, wrong) if cell.parts > 1 else wrong)
    with pytest.raises(KeyError, match="recurrent"):
        cell.network({"input": parameters["input"]}, x)
