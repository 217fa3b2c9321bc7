"""The training loop: its data, its state, what an interrupt leaves."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factorattn.experiment import Shuffled, begin, train


def rows(data, count, seed=0):
    """The rows of the first batches, and the places behind them."""
    rng = np.random.default_rng(seed)
    place, found = data.start(rng), []
    for _ in range(count):
        (x,), place = data.take(rng, place)
        found.append(x.tolist())
    return found


def advance(parameters, optimizer, x):
    """Momentum towards the mean of a batch; written out, so that this file needs no model."""
    gradient = parameters["w"] - x
    momentum = np.float32(0.9) * optimizer["m"] + gradient
    new = {"w": parameters["w"] - np.float32(0.1) * momentum}
    return float(np.sum(gradient * gradient)), new, {"m": momentum, "step": optimizer["step"] + 1}


def fresh(rng=0):
    data = Shuffled((np.random.default_rng(1).standard_normal(7).astype(np.float32),), 3)
    w = np.zeros(3, np.float32)
    return data, begin({"w": w}, {"m": w, "step": 0}, data, rng=rng)


def same(a, b):
    assert (a.step, a.losses, a.rng, a.optimizer["step"]) == (b.step, b.losses, b.rng, b.optimizer["step"])
    for x, y in (
        (a.parameters["w"], b.parameters["w"]),
        (a.optimizer["m"], b.optimizer["m"]),
        (a.place["order"], b.place["order"]),
    ):
        np.testing.assert_array_equal(x, y)
    assert a.place["at"] == b.place["at"]


@given(st.integers(1, 9), st.integers(1, 12))
def test_every_row_comes_once_before_any_comes_again(count, size):
    found = [row for batch in rows(Shuffled((np.arange(count),), size), 6) for row in batch]
    assert len(found) == 6 * size
    for start in range(0, len(found) - count + 1, count):
        assert sorted(found[start : start + count]) == list(range(count))


def test_orders_differ_and_follow_the_seed():
    data = Shuffled((np.arange(50),), 50)
    first, second = rows(data, 2)
    assert first != second
    assert rows(data, 2) == [first, second]
    assert rows(data, 2, seed=1) != [first, second]


def test_all_arrays_are_cut_alike():
    data = Shuffled((np.arange(6), 10 * np.arange(6)), 4)
    rng = np.random.default_rng(0)
    (x, y), _ = data.take(rng, data.start(rng))
    np.testing.assert_array_equal(y, 10 * x)


@pytest.mark.parametrize(
    ("arrays", "size", "told"),
    [
        ((np.arange(3), np.arange(4)), 2, r"arrays must have one length from 1 on, got \[3, 4\]"),
        ((np.arange(0),), 2, r"arrays must have one length from 1 on, got \[0\]"),
        ((np.arange(3),), 0, "size must be positive, got 0"),
    ],
)
def test_data_that_gives_no_batch_is_refused(arrays, size, told):
    with pytest.raises(ValueError, match=told):
        Shuffled(arrays, size)


@given(st.integers(0, 9))
def test_stopped_after_any_step_a_run_ends_as_if_it_had_not(stop):
    data, state = fresh()
    whole = train(advance, data, state, steps=9)
    same(train(advance, data, train(advance, data, state, steps=stop), steps=9), whole)


def test_a_step_changes_no_state():
    data, state = fresh()
    before = (state.parameters["w"].copy(), state.place["order"].copy(), dict(state.rng))
    train(advance, data, state, steps=5)
    np.testing.assert_array_equal(state.parameters["w"], before[0])
    np.testing.assert_array_equal(state.place["order"], before[1])
    assert (state.step, state.place["at"], state.rng) == (0, 0, before[2])


def test_losses_and_steps_are_told():
    data, state = fresh()
    told = []
    end = train(advance, data, state, steps=4, told=lambda state: told.append((state.step, state.losses[-1])))
    assert told == list(enumerate(end.losses, start=1))


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("at", range(5))
def test_an_interrupt_keeps_the_last_whole_step(error, at):
    data, state = fresh()
    kept, calls = [], []

    def interrupted(*args):
        calls.append(None)
        if len(calls) > at:
            raise error
        return advance(*args)

    with pytest.raises(error):
        train(interrupted, data, state, steps=5, keep=kept.append, every=2)
    assert [state.step for state in kept] == sorted({*range(2, at + 1, 2), *([at] if at else [])})
    same(kept[-1] if kept else state, train(advance, data, state, steps=at))


def test_states_are_kept_every_few_steps_and_at_the_end():
    data, state = fresh()
    kept = []
    train(advance, data, state, steps=7, keep=kept.append, every=3)
    assert [state.step for state in kept] == [3, 6, 7]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_loss_that_is_no_number_ends_the_run_and_keeps_what_was_before(bad):
    data, state = fresh()
    kept = []

    def diverges(parameters, optimizer, x):
        loss, *rest = advance(parameters, optimizer, x)
        return (bad if optimizer["step"] == 2 else loss, *rest)

    with pytest.raises(FloatingPointError, match=f"the loss of step 3 is {bad}; a smaller step size may help"):
        train(diverges, data, state, steps=5, keep=kept.append)
    assert [state.step for state in kept] == [2]


def test_a_run_does_not_go_back():
    data, state = fresh()
    with pytest.raises(ValueError, match="steps must be at least 4, the steps that the state has done, got 3"):
        train(advance, data, replace(state, step=4), steps=3)
    with pytest.raises(ValueError, match="every must be positive, got 0"):
        train(advance, data, state, steps=3, every=0)
