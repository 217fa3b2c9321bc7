"""What networks put out: at every time, at the end, from what they said, from one vector."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from libraries import LIBRARIES
from oracles import agree, seeds
from oracles.model import recurrent as oracle
from oracles.model.recurrent_cells import CELLS, as_lists, begin, flat, joined, moved

from factorattn.factor import truncated_svd
from factorattn.model.recurrent import (
    bidirectional,
    bidirectional_parameters,
    free_running,
    output_parameters,
    output_recurrent,
    output_recurrent_parameters,
    reader,
    stacked,
    stacked_parameters,
    stacked_step,
    teacher_forcing,
    transducer,
    vector_to_sequence,
)
from factorattn.testing import ROUNDING
from factorattn.testing.differences import check_gradients

every_cell = pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)


def close(got, want, length=256):
    assert np.shape(got) == np.shape(want)
    assert np.max(np.abs(np.asarray(got) - want)) <= max(1.0, np.max(np.abs(want))) * ROUNDING("float64", length)


def largest(o):
    """The unit vector of the largest entry: what a reader of words reads."""
    return np.eye(o.shape[-1])[np.argmax(o, axis=-1)]


def largest_of_list(o):
    return [1.0 if k == o.index(max(o)) else 0.0 for k in range(len(o))]


@pytest.fixture(params=LIBRARIES)
def xp(request):
    return pytest.importorskip(request.param)


@every_cell
def test_outputs_are_those_of_the_states(cell):
    rng = np.random.default_rng(0)
    parameters = {"network": cell.draw(3, 4, rng=rng), "output": output_parameters(4, 2, rng=rng)}
    x = rng.standard_normal((2, 5, 3))
    o, state = transducer(parameters, x, network=cell.network)
    p = as_lists(parameters)
    zero = as_lists(begin(cell, rng, (), 4))
    zero = tuple([0.0] * 4 for _ in zero) if cell.parts > 1 else [0.0] * 4
    for at in range(2):
        h, _ = oracle.sequence(partial(cell.oracle, p["network"]), x[at].tolist(), zero)
        close(o[at], [oracle.affine(p["output"], row) for row in h])
    close(reader(parameters, x, network=cell.network), o[:, -1])
    first, state = transducer(parameters, x[:, :2], network=cell.network)
    second, _ = transducer(parameters, x[:, 2:], state, network=cell.network)
    close(np.concatenate([first, second], axis=1), o)
    close(reader(parameters, x[:, 2:], state, network=cell.network), o[:, -1])


@every_cell
def test_the_reader_reads_to_the_end_of_each_sequence(cell):
    rng = np.random.default_rng(0)
    network = partial(stacked, network=partial(bidirectional, network=cell.network))
    draw = partial(bidirectional_parameters, cell.draw)
    parameters = {
        "network": stacked_parameters(draw, 3, 4, 2, directions=2, rng=rng),
        "output": output_parameters(8, 2, rng=rng),
    }
    x, mask = rng.standard_normal((2, 6, 3)), np.arange(6) < np.array([[4], [6]])
    o = reader(parameters, x, mask=mask, network=network)
    assert o.shape == (2, 2)
    for at, n in enumerate((4, 6)):
        close(o[at], reader(parameters, x[at, :n], network=network))


def test_an_output_matrix_may_be_factored():
    rng = np.random.default_rng(0)
    parameters = {"network": CELLS["gru"].draw(3, 4, rng=rng), "output": output_parameters(4, 5, rng=rng)}
    x, f = rng.standard_normal((2, 5, 3)), truncated_svd(parameters["output"]["weight"], 2)
    for network in (transducer, reader):
        got = network(parameters | {"output": {"weight": f}}, x, network=CELLS["gru"].network)
        want = network(parameters | {"output": {"weight": f.to_dense()}}, x, network=CELLS["gru"].network)
        close(*((got, want) if network is reader else (got[0], want[0])))


@settings(deadline=None, max_examples=50)
@given(
    seed=seeds,
    n=st.integers(0, 5),
    c=st.integers(1, 3),
    hidden=st.integers(1, 3),
    out=st.integers(1, 3),
    masked=st.booleans(),
    way=st.sampled_from(["free", "emit", "forced"]),
)
def test_output_recurrence_is_that_of_the_oracle(seed, n, c, hidden, out, masked, way):
    rng = np.random.default_rng(seed)
    parameters = output_recurrent_parameters(c, hidden, out, rng=rng)
    x, y, before = rng.standard_normal((2, n, c)), rng.standard_normal((2, n, out)), rng.standard_normal((2, out))
    mask = rng.random((2, n)) < 0.6 if masked else np.ones((2, n), bool)
    told = {"free": {}, "emit": {"emit": largest}, "forced": {"targets": y}}[way]
    o, after = output_recurrent(parameters, x, before, mask=mask if masked else None, **told)
    p = as_lists(parameters)
    for at in range(2):
        told = {"free": {}, "emit": {"emit": largest_of_list}, "forced": {"targets": y[at].tolist()}}[way]
        want, end = oracle.output_recurrent(p, x[at].tolist(), before[at].tolist(), mask=mask[at].tolist(), **told)
        agree(o[at][mask[at]], np.reshape([row for row in want if row is not None], (-1, out)), 64 * c * hidden * out)
        agree(after[at], end, 64 * c * hidden * out * max(n, 1))


def test_output_recurrence_with_its_own_outputs_as_targets_is_free():
    rng = np.random.default_rng(0)
    parameters, x = output_recurrent_parameters(3, 4, 2, rng=rng), rng.standard_normal((2, 5, 3))
    free, state = output_recurrent(parameters, x)
    forced, after = output_recurrent(parameters, x, targets=free)
    close(forced, free)
    np.testing.assert_array_equal(after, state)
    first, between = output_recurrent(parameters, x[:, :2])
    second, _ = output_recurrent(parameters, x[:, 2:], between)
    close(np.concatenate([first, second], axis=1), free)


def test_teacher_forcing_cuts_the_past_off():
    # Forced outputs depend on the inputs of their own time alone; free ones on all before.
    rng = np.random.default_rng(0)
    parameters, x, y = output_recurrent_parameters(3, 4, 2, rng=rng), rng.standard_normal((5, 3)), np.ones((5, 2))
    other = np.concatenate([x[:1] + 1, x[1:]])
    one, two = (output_recurrent(parameters, a, targets=y)[0] for a in (x, other))
    np.testing.assert_array_equal(one[1:], two[1:])
    one, two = (output_recurrent(parameters, a)[0] for a in (x, other))
    assert np.all(one[1:] != two[1:])


def test_output_recurrence_on_every_library_factored_and_differentiated(xp):
    rng = np.random.default_rng(0)
    parameters, x = output_recurrent_parameters(3, 4, 2, rng=rng), rng.standard_normal((2, 4, 3))
    y, mask = rng.standard_normal((2, 4, 2)), np.array([[True, False, True, True], [True] * 4])
    for targets in (None, y):
        got, after = output_recurrent(
            moved(parameters, xp),
            xp.asarray(x),
            targets=targets if targets is None else xp.asarray(y),
            mask=xp.asarray(mask),
        )
        want, end = output_recurrent(parameters, x, targets=targets, mask=mask)
        close(got, want)
        close(after, end)
        factored = {name: layer | {"weight": truncated_svd(layer["weight"], 2)} for name, layer in parameters.items()}
        dense = {name: layer | {"weight": layer["weight"].to_dense()} for name, layer in factored.items()}
        close(output_recurrent(factored, x, targets=targets)[0], output_recurrent(dense, x, targets=targets)[0])
    check_gradients(lambda p, x, s: output_recurrent(p, x, s), parameters, x, y[:, 0])
    check_gradients(
        lambda p, x, s, y, mask: output_recurrent(p, x, s, targets=y, mask=mask)[0][:, -1],
        parameters,
        x,
        y[:, 0],
        y,
        mask,
    )


@every_cell
def test_what_is_forced_and_what_is_free_are_those_of_the_oracle(cell):
    rng = np.random.default_rng(0)
    parameters = {"network": cell.draw(2, 4, rng=rng), "output": output_parameters(4, 2, rng=rng)}
    y, start, state = rng.standard_normal((2, 5, 2)), rng.standard_normal((2, 2)), begin(cell, rng, (2,), 4)
    p, starts = as_lists(parameters), as_lists(state)
    forced, after = teacher_forcing(parameters, y, state, start=start, network=cell.network)
    free, end = free_running(parameters, start, state, times=5, step=cell.step)
    words, _ = free_running(parameters, start, state, times=5, step=cell.step, emit=largest)
    for at in range(2):
        begins = tuple(part[at] for part in starts) if cell.parts > 1 else starts[at]
        step = partial(cell.oracle, p["network"])
        want, last = oracle.teacher_forcing(step, p["output"], start[at].tolist(), y[at].tolist(), begins)
        close(forced[at], want)
        close(joined(after)[at], flat(last))
        want, last = oracle.free_running(step, p["output"], start[at].tolist(), begins, 5)
        close(free[at], want)
        close(joined(end)[at], flat(last))
        want, _ = oracle.free_running(step, p["output"], start[at].tolist(), begins, 5, largest_of_list)
        close(words[at], want)


@every_cell
def test_forced_with_what_it_said_a_network_says_the_same(cell):
    rng = np.random.default_rng(0)
    draw = stacked_parameters(cell.draw, 2, 4, 2, rng=rng)
    parameters = {"network": draw, "output": output_parameters(4, 2, rng=rng)}
    free, _ = free_running(parameters, np.zeros(2), times=6, step=partial(stacked_step, step=cell.step))
    close(teacher_forcing(parameters, free, network=partial(stacked, network=cell.network))[0], free)


@every_cell
def test_forced_chunks_go_on_and_padding_is_passed_over(cell):
    rng = np.random.default_rng(0)
    parameters = {"network": cell.draw(2, 4, rng=rng), "output": output_parameters(4, 2, rng=rng)}
    y = rng.standard_normal((2, 6, 2))
    whole, _ = teacher_forcing(parameters, y, network=cell.network)
    first, state = teacher_forcing(parameters, y[:, :4], network=cell.network)
    second, _ = teacher_forcing(parameters, y[:, 4:], state, start=y[:, 3], network=cell.network)
    close(np.concatenate([first, second], axis=1), whole)
    seen = [0, 2, 3, 5]
    mask = np.isin(np.arange(6), seen)
    some, _ = teacher_forcing(parameters, y, mask=mask, network=cell.network)
    close(some[:, seen], teacher_forcing(parameters, y[:, seen], network=cell.network)[0])


@every_cell
def test_a_vector_is_read_beside_every_output(cell):
    rng = np.random.default_rng(0)
    parameters = {"network": cell.draw(2 + 3, 4, rng=rng), "output": output_parameters(4, 2, rng=rng)}
    v, start, y = rng.standard_normal((2, 3)), rng.standard_normal((2, 2)), rng.standard_normal((2, 5, 2))
    zero = tuple([0.0] * 4 for _ in range(2)) if cell.parts > 1 else [0.0] * 4
    p = as_lists(parameters)
    forced, _ = vector_to_sequence(parameters, v, targets=y, start=start, network=cell.network)
    free, _ = vector_to_sequence(parameters, v, times=5, start=start, step=cell.step)
    for at in range(2):
        step = lambda x, s: cell.oracle(p["network"], x + v[at].tolist(), s)  # noqa: B023, E731
        close(forced[at], oracle.teacher_forcing(step, p["output"], start[at].tolist(), y[at].tolist(), zero)[0])
        close(free[at], oracle.free_running(step, p["output"], start[at].tolist(), zero, 5)[0])
    close(vector_to_sequence(parameters, v, targets=free, start=start, network=cell.network)[0], free)


def test_a_vector_on_every_library_and_differentiated(xp):
    rng = np.random.default_rng(0)
    cell = CELLS["lstm"]
    parameters = {"network": cell.draw(2 + 3, 4, rng=rng), "output": output_parameters(4, 2, rng=rng)}
    v, y = rng.standard_normal((2, 3)), rng.standard_normal((2, 5, 2))
    there = moved(parameters, xp), xp.asarray(v)
    want, _ = vector_to_sequence(parameters, v, targets=y, network=cell.network)
    close(vector_to_sequence(*there, targets=xp.asarray(y), network=cell.network)[0], want)
    start = y[:, 0]
    want, _ = vector_to_sequence(parameters, v, times=3, start=start, step=cell.step)
    close(vector_to_sequence(*there, times=3, start=xp.asarray(start), step=cell.step)[0], want)
    check_gradients(lambda p, v, y: vector_to_sequence(p, v, targets=y, network=cell.network)[0], parameters, v, y)
    check_gradients(lambda p, v, s: vector_to_sequence(p, v, times=3, start=s, step=cell.step)[0], parameters, v, start)


def test_bad_input_is_named():
    parameters = {"network": CELLS["recurrent"].draw(2, 4, rng=0), "output": output_parameters(4, 2, rng=0)}
    y, v = np.zeros((5, 2)), np.zeros(3)
    with pytest.raises(ValueError, match=r"targets must have shape \(\.\.\., n, c\), got \(2,\)"):
        teacher_forcing(parameters, np.zeros(2))
    with pytest.raises(ValueError, match=r"start must have shape \(\.\.\., 2\), got \(3,\)"):
        teacher_forcing(parameters, y, start=np.zeros(3))
    with pytest.raises(ValueError, match=r"mask must have shape \(\.\.\., 5\)"):
        teacher_forcing(parameters, y, mask=np.ones(4, bool))
    with pytest.raises(ValueError, match=r"batch axes must broadcast, got targets \(2,\), start \(3,\)"):
        teacher_forcing(parameters, np.zeros((2, 5, 2)), start=np.zeros((3, 2)))
    with pytest.raises(ValueError, match="times must be a positive integer, got 0"):
        free_running(parameters, np.zeros(2), times=0)
    with pytest.raises(TypeError, match=r"times must be an integer, got 2\.5"):
        free_running(parameters, np.zeros(2), times=2.5)
    for told in ({}, {"targets": y, "times": 5}):
        with pytest.raises(ValueError, match=r"give targets \(teacher forcing\) or times \(running free\)"):
            vector_to_sequence(parameters, v, **told)
    with pytest.raises(ValueError, match="start must be given with times"):
        vector_to_sequence(parameters, v, times=5)
    with pytest.raises(ValueError, match="mask says where targets are padded, and there are none"):
        vector_to_sequence(parameters, v, times=5, start=np.zeros(2), mask=np.ones(5, bool))
    with pytest.raises(ValueError, match="emit has no meaning with them"):
        vector_to_sequence(parameters, v, targets=y, emit=largest)
    with pytest.raises(ValueError, match=r"batch axes must broadcast, got v \(3,\), start \(\), targets \(2,\)"):
        vector_to_sequence(parameters, np.zeros((3, 3)), targets=np.zeros((2, 5, 2)))
    own = output_recurrent_parameters(3, 4, 2, rng=0)
    with pytest.raises(ValueError, match="give targets or emit, not both"):
        output_recurrent(own, np.zeros((5, 3)), targets=y, emit=largest)
    with pytest.raises(ValueError, match=r"axis 'n' is 5 in x .* but 4 in targets"):
        output_recurrent(own, np.zeros((5, 3)), targets=y[:4])
    with pytest.raises(ValueError, match=r"axis 'out' is 2 in feedback_weight \(4, 2\) but 3 in state \(3,\)"):
        output_recurrent(own, np.zeros((5, 3)), np.zeros(3))
