"""Greedy decoding, sampling and beam search against all sequences there are, and against plain loops."""

import itertools
import math
import operator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from libraries import LIBRARIES
from oracles import seeds
from oracles.model import decoding as oracle

import factorattn as fa
from factorattn.model.seq2seq import beam_search, greedy, repeat_rows, sample
from factorattn.model.seq2seq.beam import length_penalty
from factorattn.testing import CHANCE, ROUNDING

NAN = float("nan")


@pytest.fixture(params=LIBRARIES)
def xp(request):
    return pytest.importorskip(request.param)


def machine(seed, vocabulary, states=5):
    """A random automaton: what it gives to each next token in each state, and where each token leads."""
    rng = np.random.default_rng(seed)
    logits = rng.standard_normal((states, vocabulary)) * 2
    log_p = logits - np.log(np.sum(np.exp(logits), axis=-1, keepdims=True))
    return log_p, rng.integers(states, size=(states, vocabulary)), rng.uniform(0.05, 0.6, size=(states, 3))


def as_step(table, xp=np):
    """The automaton as a step of b sequences; its state has the place, and the attention so far."""
    log_p, leads, attention = (xp.asarray(x) for x in table)

    def step(state, token):
        rows, v = leads.shape
        place = xp.take(xp.reshape(leads, (rows * v,)), state["place"] * v + token)
        after = {"place": place, "seen": state["seen"] + xp.take(attention, place, axis=0), "none": None, "number": 3}
        return xp.take(log_p, place, axis=0), after

    return step


def begin(places, xp=np):
    places = np.asarray(places, dtype=np.int64)
    state = {"place": xp.asarray(places), "seen": xp.asarray(np.zeros((places.size, 3))), "none": None, "number": 3}
    return state, xp.asarray(np.zeros_like(places))


def as_model(table, place, start=0):
    """The automaton as a function of all tokens so far, as the oracle asks for."""
    log_p, leads, _ = table

    def model(sequence):
        at = place
        for token in (start, *sequence):
            at = leads[at, token]
        return log_p[at].tolist()

    return model


def attention_of(table, place, start=0):
    _, leads, attention = table

    def rows(sequence):
        at, found = place, []
        for token in (start, *sequence[:-1]):
            at = leads[at, token]
            found.append(attention[at].tolist())
        return found

    return rows


def read(tokens, length):
    return tuple(int(token) for token in tokens[: int(length)])


def near(a, b, terms=64):
    return abs(a - b) <= max(1.0, abs(b)) * ROUNDING("float64", terms)


ends = st.sampled_from([None, 0, 1])


@given(seed=seeds, vocabulary=st.integers(2, 4), maximum=st.integers(1, 5), end=ends)
def test_greedy_takes_the_likeliest(seed, vocabulary, maximum, end):
    table = machine(seed, vocabulary)
    found = greedy(as_step(table), *begin([0, 3]), end=end, maximum=maximum)
    assert found.tokens.shape == (2, maximum)
    for row, place in enumerate((0, 3)):
        want, log_p = oracle.greedy(as_model(table, place), maximum, end)
        assert read(found.tokens[row], found.length[row]) == want
        assert near(float(found.log_probability[row]), log_p)
        assert np.all(found.tokens[row, len(want) :] == end)


@settings(deadline=None)
@given(
    seed=seeds,
    vocabulary=st.integers(2, 3),
    maximum=st.integers(1, 4),
    end=ends,
    alpha=st.sampled_from([0.0, 0.6, 1.0]),
)
def test_a_beam_as_wide_as_there_are_sequences_is_exhaustive(seed, vocabulary, maximum, end, alpha):
    table, width = machine(seed, vocabulary), vocabulary**maximum
    found = beam_search(as_step(table), *begin([0, 2]), width=width, end=end, maximum=maximum, alpha=alpha)
    for row, place in enumerate((0, 2)):
        want = oracle.best(as_model(table, place), vocabulary, maximum, end, alpha, width)
        there = found.score[row] != -np.inf
        assert np.sum(there) == len(want)  # a beam that was never needed is empty
        got = {
            read(found.tokens[row, k], found.length[row, k]): (found.score[row, k], found.log_probability[row, k])
            for k in range(len(want))
        }
        assert got.keys() == {y for _, y, _ in want}
        for score, y, log_p in want:
            assert near(got[y][0], score)
            assert near(got[y][1], log_p)
        assert np.all(np.diff(found.score[row, : len(want)]) <= 0)


@settings(deadline=None)
@given(
    seed=seeds,
    vocabulary=st.integers(2, 4),
    maximum=st.integers(1, 5),
    width=st.integers(1, 4),
    end=ends,
    alpha=st.sampled_from([0.0, 0.6, 1.0]),
    covers=st.booleans(),
)
def test_a_beam_is_that_of_the_oracle(seed, vocabulary, maximum, width, end, alpha, covers):
    table = machine(seed, vocabulary)
    given_ = {"covered": operator.itemgetter("seen"), "beta": 0.7} if covers else {}
    found = beam_search(as_step(table), *begin([1, 4]), width=width, end=end, maximum=maximum, alpha=alpha, **given_)
    for row, place in enumerate((1, 4)):
        told = {"attention": attention_of(table, place), "beta": 0.7} if covers else {}
        want = oracle.beam(as_model(table, place), width, maximum, end, alpha, **told)
        for k, (score, y, log_p) in enumerate(want):
            assert read(found.tokens[row, k], found.length[row, k]) == y
            assert near(float(found.score[row, k]), score)
            assert near(float(found.log_probability[row, k]), log_p)
        assert np.all(found.score[row, len(want) :] == -np.inf)


@given(seed=seeds, maximum=st.integers(1, 6), end=ends, alpha=st.sampled_from([0.0, 1.0]))
def test_a_beam_of_one_is_greedy(seed, maximum, end, alpha):
    step = as_step(machine(seed, 4))
    one = greedy(step, *begin(range(5)), end=end, maximum=maximum)
    beam = beam_search(step, *begin(range(5)), width=1, end=end, maximum=maximum, alpha=alpha)
    np.testing.assert_array_equal(beam.tokens[:, 0], one.tokens)
    np.testing.assert_array_equal(beam.length[:, 0], one.length)
    np.testing.assert_array_equal(beam.log_probability[:, 0], one.log_probability)


def test_a_beam_finds_what_greedy_misses():
    # a: 0.6, then each of two tokens with 0.5; b: 0.4, then one token for sure.
    log_p = np.log(np.array([[0.6, 0.4], [0.5, 0.5], [1.0, 1e-300]]))
    leads = np.array([[1, 2], [1, 1], [2, 2]])

    def step(state, token):
        after = np.where(state < 0, 0, leads[np.maximum(state, 0), token])
        return log_p[after], after

    start = np.zeros(1, int)
    assert greedy(step, start - 1, start, end=None, maximum=2).tokens.tolist() == [[0, 0]]
    beam = beam_search(step, start - 1, start, width=2, end=None, maximum=2)
    assert beam.tokens[0].tolist() == [[1, 0], [0, 0]]
    np.testing.assert_allclose(np.exp(beam.log_probability[0]), [0.4, 0.3], rtol=ROUNDING("float64", 4))


def test_normalisation_prefers_longer_sequences():
    # The end at once has 0.3; going on and then ending has 0.7 * 0.4 = 0.28.
    log_p = np.log(np.array([[0.7, 0.3], [0.6, 0.4]]))

    def step(state, token):
        after = np.minimum(state + 1, 1)
        return log_p[after], after

    start = np.zeros(1, int)
    plain, longer = (
        beam_search(step, start - 1, start, width=4, end=1, maximum=2, alpha=alpha).tokens[0].tolist()
        for alpha in (0.0, 1.0)
    )
    assert plain.index([1, 1]) < plain.index([0, 1])  # padded with the end token
    assert longer.index([0, 1]) < longer.index([1, 1])
    assert math.log(0.28) / ((5 + 2) / 6) > math.log(0.3)  # by hand


def test_the_penalty_is_that_of_equation_14():
    assert length_penalty(1.0, 0.6) == 1.0
    assert near(length_penalty(7.0, 1.0), 2.0)
    assert near(length_penalty(19.0, 0.5), 2.0)


def test_every_array_library_finds_the_same(xp):
    table = machine(3, 4)
    want, got = (
        beam_search(as_step(table, lib), *begin([0, 1, 2], lib), width=3, end=1, maximum=5, alpha=0.6)
        for lib in (np, xp)
    )
    for one, other in zip(got, want, strict=True):
        assert one.shape == other.shape
        assert np.all(np.asarray(one) == other) or np.allclose(np.asarray(one), other, rtol=ROUNDING("float64", 64))
    one, other = (greedy(as_step(table, lib), *begin([0, 1], lib), end=1, maximum=5) for lib in (xp, np))
    np.testing.assert_array_equal(np.asarray(one.tokens), other.tokens)
    one, other = (sample(as_step(table, lib), *begin([0, 1], lib), end=1, maximum=5, rng=7) for lib in (xp, np))
    np.testing.assert_array_equal(np.asarray(one.tokens), other.tokens)


def test_samples_are_as_frequent_as_they_are_likely():
    table, count = machine(5, 3), 20_000
    found = sample(as_step(table), *begin([0] * count), end=1, maximum=3, rng=0)
    frequency = {}
    for row in range(count):
        y = read(found.tokens[row], found.length[row])
        frequency[y] = frequency.get(y, 0) + 1
    likely = oracle.finished(as_model(table, 0), 3, 3, 1)
    assert frequency.keys() <= likely.keys()
    for y, log_p in likely.items():
        hits = np.zeros(count)
        hits[: frequency.get(y, 0)] = 1
        assert abs(np.mean(hits) - math.exp(log_p)) <= max(CHANCE(hits), 5 / count)


def test_a_temperature_sharpens_and_flattens():
    table, count = machine(8, 4), 20_000
    likely = as_model(table, 0)(())
    for temperature in (0.5, 1.0, 3.0):
        found = sample(as_step(table), *begin([0] * count), end=None, maximum=1, temperature=temperature, rng=1)
        heated = np.exp(np.array(likely) / temperature)
        for token, p in enumerate(heated / heated.sum()):
            hits = (found.tokens[:, 0] == token).astype(float)
            assert abs(hits.mean() - p) <= max(CHANCE(hits), 5 / count)
            # What is told is the model's own probability.
            told = found.log_probability[found.tokens[:, 0] == token]
            assert np.all(told == likely[token])


@given(seed=seeds)
def test_a_cold_sample_is_greedy(seed):
    step = as_step(machine(seed, 4))
    cold = sample(step, *begin(range(5)), end=1, maximum=4, temperature=1e-300, rng=seed)
    np.testing.assert_array_equal(cold.tokens, greedy(step, *begin(range(5)), end=1, maximum=4).tokens)


def test_a_token_that_is_impossible_is_never_drawn():
    log_p = np.log(np.array([[0.5, 0.5, 1e-300]]))
    log_p[0, 2] = -np.inf
    found = sample(
        lambda s, t: (np.repeat(log_p, 500, axis=0), s), None, np.zeros(500, int), end=None, maximum=2, rng=0
    )
    assert np.all(found.tokens < 2)
    assert np.all(np.isfinite(found.log_probability))


def test_it_stops_as_soon_as_all_have_ended():
    calls = []

    def step(state, token):
        calls.append(len(token))
        return np.log(np.where(np.arange(3) == 2, 0.98, 0.01)) + np.zeros((len(token), 1)), state

    start = np.zeros(2, int)
    found = greedy(step, None, start, end=2, maximum=100)
    assert len(calls) == 1
    assert found.tokens.shape == (2, 100)
    assert np.all(found.tokens == 2)
    assert np.all(found.length == 1)
    calls.clear()
    found = beam_search(step, None, start, width=3, end=2, maximum=100)
    assert calls == [6, 6]  # with the end token, or another one and the end token: three have ended
    assert found.tokens.shape == (2, 3, 100)
    calls.clear()
    greedy(step, None, start, end=None, maximum=4)
    assert len(calls) == 4


def test_a_sequence_does_not_depend_on_those_beside_it():
    table = machine(11, 4)
    together = beam_search(as_step(table), *begin([0, 1, 2]), width=3, end=1, maximum=4, alpha=0.6)
    for row in range(3):
        alone = beam_search(as_step(table), *begin([row]), width=3, end=1, maximum=4, alpha=0.6)
        for one, other in zip(alone, together, strict=True):
            np.testing.assert_array_equal(one[0], other[row])


def test_the_log_probability_is_that_of_the_tokens():
    table = machine(2, 4)
    found = beam_search(as_step(table), *begin([2]), width=5, end=1, maximum=4, alpha=0.6)
    model = as_model(table, 2)
    for k in range(5):
        y = read(found.tokens[0, k], found.length[0, k])
        assert near(sum(model(y[:t])[token] for t, token in enumerate(y)), float(found.log_probability[0, k]))


def test_no_text_gives_no_sequence():
    step = as_step(machine(0, 4))
    assert greedy(step, *begin([]), end=1, maximum=3).tokens.shape == (0, 3)
    assert beam_search(step, *begin([]), width=2, end=1, maximum=3).tokens.shape == (0, 2, 3)


def test_nan_is_not_hidden():
    found = beam_search(lambda s, t: (np.full((2, 3), NAN), s), None, np.zeros(1, int), width=2, end=None, maximum=1)
    assert np.isnan(found.score[0, 0])


def test_it_can_be_counted():
    counts = fa.counting()
    found = beam_search(
        lambda s, t: (counts.empty((t.shape[0], 7)), s),
        {"x": counts.empty((2, 4))},
        counts.empty((2,), dtype=counts.int64),
        width=3,
        end=1,
        maximum=4,
    )
    assert found.tokens.shape == (2, 3, 4)
    assert counts.tally.flops > 0


def test_rows_are_repeated_side_by_side():
    tree = {"x": np.arange(4).reshape(2, 2), "none": None, "number": 3, "scalar": np.asarray(5)}
    found = repeat_rows(tree, 2)
    np.testing.assert_array_equal(found["x"], [[0, 1], [0, 1], [2, 3], [2, 3]])
    assert found["none"] is None
    assert found["number"] == 3
    assert found["scalar"] == 5


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"maximum": 0}, ValueError, "maximum must be a positive integer, got 0"),
        ({"maximum": 1.5}, TypeError, r"maximum must be an integer, got 1\.5"),
        ({"width": 0}, ValueError, "width must be a positive integer, got 0"),
        ({"end": 4}, ValueError, "end must be from 0 to 3, the last token that step tells of, got 4"),
        ({"end": -1}, ValueError, "end must be from 0 to 3"),
        ({"alpha": -0.5}, ValueError, r"alpha must not be negative, got -0\.5"),
        ({"alpha": NAN}, ValueError, "alpha must be finite"),
        ({"beta": 0.5}, ValueError, "covered and beta must be given together"),
        ({"covered": operator.itemgetter("seen")}, ValueError, "covered and beta must be given together"),
        ({"start": np.zeros((2, 1), int)}, ValueError, r"start must have shape \(any\), got \(2, 1\)"),
        ({"start": np.zeros(2)}, TypeError, "start must have an integer dtype, got float64"),
        (
            {"step": lambda s, t: (np.zeros((2, 1, 4)), s)},
            ValueError,
            r"step must return .* shape \(4, v\), got \(2, 1",
        ),
    ],
)
def test_bad_input_is_named(change, error, message):
    state, start = begin([0, 1])
    given_ = {"step": as_step(machine(0, 4)), "start": start, "width": 2, "end": 1, "maximum": 3} | change
    step, start = given_.pop("step"), given_.pop("start")
    with pytest.raises(error, match=message):
        beam_search(step, state, start, **given_)
    if not {"width", "alpha", "beta", "covered", "step"} & change.keys():
        del given_["width"]
        for decode in (greedy, sample):
            with pytest.raises(error, match=message):
                decode(step, state, start, **given_)


@pytest.mark.parametrize("temperature", [0.0, -1.0, NAN])
def test_a_temperature_is_positive(temperature):
    with pytest.raises(ValueError, match="temperature must be "):
        sample(as_step(machine(0, 4)), *begin([0]), end=1, maximum=3, temperature=temperature)


def test_all_sequences_together_are_certain():
    for end in (None, 1):
        likely = oracle.finished(as_model(machine(4, 3), 0), 3, 4, end)
        assert near(math.fsum(math.exp(p) for p in likely.values()), 1.0)
        assert len(likely) == (3**4 if end is None else sum(2**n for n in range(4)) + 2**4)
    assert len(list(itertools.product(range(3), repeat=4))) == 3**4
