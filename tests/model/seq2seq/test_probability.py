"""Probabilities of sequences and the losses made of them."""

import itertools
import math
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from libraries import LIBRARIES
from oracles import agree, seeds
from oracles.model import probability as oracle

import factorattn as fa
from factorattn.model.seq2seq import (
    bahdanau,
    bahdanau_parameters,
    cross_entropy,
    log_probabilities,
    perplexity,
    sequence_log_probability,
    shift,
    token_log_probability,
)
from factorattn.testing import ROUNDING
from factorattn.testing.differences import check_gradients


@pytest.fixture(params=LIBRARIES)
def xp(request):
    return pytest.importorskip(request.param)


def drawn(seed, b=2, n=3, v=4):
    rng = np.random.default_rng(seed)
    return 3 * rng.standard_normal((b, n, v)), rng.integers(v, size=(b, n)), rng.random((b, n)) < 0.7


sizes = st.integers(1, 5)


@given(
    seed=seeds,
    b=sizes,
    n=st.integers(0, 5),
    v=sizes,
    masked=st.booleans(),
    smoothing=st.sampled_from([0.0, 0.1, 1.0]),
)
def test_all_of_it_is_that_of_the_oracle(seed, b, n, v, masked, smoothing):
    logits, targets, mask = drawn(seed, b, n, v)
    mask = mask if masked else None
    listed = logits.tolist(), targets.tolist()
    rows = None if mask is None else mask.tolist()
    agree(token_log_probability(logits, targets), [oracle.tokens(*pair) for pair in zip(*listed, strict=True)], v)
    want = [
        oracle.sequence(*pair, None if rows is None else rows[i]) for i, pair in enumerate(zip(*listed, strict=True))
    ]
    agree(sequence_log_probability(logits, targets, mask=mask), want, n * v)
    agree(
        cross_entropy(logits, targets, mask=mask, smoothing=smoothing),
        oracle.cross_entropy(*listed, rows, smoothing),
        b * n * v,
    )
    plain = oracle.cross_entropy(*listed, rows)
    agree(perplexity(logits, targets, mask=mask), math.exp(plain), b * n * v * max(1.0, math.exp(plain)))


def test_probabilities_of_all_sequences_of_a_model_sum_to_one():
    """Every target of three words that `bahdanau` can write, by the chain rule from its logits."""
    parameters = bahdanau_parameters(5, 3, embedded=2, hidden=3, rng=0)
    every = np.array(list(itertools.product(range(3), repeat=3)))
    source = np.broadcast_to(np.array([1, 4, 2]), (27, 3))
    logits = bahdanau(parameters, source, shift(every, 0))
    total = np.sum(np.exp(sequence_log_probability(logits, every)))
    assert abs(total - 1.0) <= ROUNDING("float64", 27 * 9)


def test_probabilities_of_all_sequences_that_end_sum_to_one():
    """Sequences end with token 2, or have three tokens: the rest of each row is padding."""
    parameters = bahdanau_parameters(5, 3, embedded=2, hidden=3, rng=1)
    rows = []
    for n in (1, 2, 3):
        for y in itertools.product(range(3), repeat=n):
            if 2 not in y[:-1] and (y[-1] == 2 or n == 3):
                rows.append((y, n))
    targets = np.array([[*y, *[0] * (3 - n)] for y, n in rows])
    mask = np.arange(3) < np.array([[n] for _, n in rows])
    logits = bahdanau(parameters, np.broadcast_to(np.array([1, 4]), (len(rows), 2)), shift(targets, 0))
    total = np.sum(np.exp(sequence_log_probability(logits, targets, mask=mask)))
    assert abs(total - 1.0) <= ROUNDING("float64", 27 * 9)


def test_by_hand():
    logits = np.log(np.array([[[0.5, 0.25, 0.25], [0.1, 0.2, 0.7]]]))
    targets = np.array([[1, 2]])
    exact = partial(np.testing.assert_allclose, rtol=ROUNDING("float64", 8))
    exact(sequence_log_probability(logits, targets), [math.log(0.25 * 0.7)])
    exact(cross_entropy(logits, targets), -math.log(0.25 * 0.7) / 2)
    exact(perplexity(logits, targets), (0.25 * 0.7) ** -0.5)
    exact(perplexity(np.zeros((1, 2, 3)), targets), 3.0)  # among three, all alike
    seen = np.array([[True, False]])
    exact(cross_entropy(logits, targets, mask=seen), -math.log(0.25))
    smoothed = -(0.9 * math.log(0.25) + 0.1 * (math.log(0.5) + 2 * math.log(0.25)) / 3)
    exact(cross_entropy(logits, targets, mask=seen, smoothing=0.1), smoothed)


def test_teachers_are_one_place_behind():
    np.testing.assert_array_equal(shift(np.array([[5, 6, 7], [8, 9, 1]]), 3), [[3, 5, 6], [3, 8, 9]])
    np.testing.assert_array_equal(shift(np.array([4]), 0), [0])
    assert shift(np.zeros((2, 0), int), 1).shape == (2, 0)


def test_every_array_library_gives_the_same(xp):
    logits, targets, mask = drawn(0)
    want = cross_entropy(logits, targets, mask=mask, smoothing=0.1)
    got = cross_entropy(xp.asarray(logits), xp.asarray(targets), mask=xp.asarray(mask), smoothing=0.1)
    assert abs(float(got) - want) <= want * ROUNDING("float64", logits.size)
    one = sequence_log_probability(xp.asarray(logits), xp.asarray(targets), mask=xp.asarray(mask))
    agree(np.asarray(one), sequence_log_probability(logits, targets, mask=mask), logits.size)
    np.testing.assert_array_equal(np.asarray(shift(xp.asarray(targets), 1)), shift(targets, 1))


def test_padding_changes_nothing():
    logits, targets, mask = drawn(1)
    mask[:, 0] = True
    other, moved = np.where(mask[..., None], logits, np.nan), np.where(mask, targets, 0)
    for f in (sequence_log_probability, cross_entropy, perplexity, partial(cross_entropy, smoothing=0.2)):
        np.testing.assert_array_equal(f(logits, targets, mask=mask), f(other, moved, mask=mask))


def test_no_token_costs_nothing():
    logits, targets, _ = drawn(0)
    none = np.zeros(targets.shape, bool)
    assert cross_entropy(logits, targets, mask=none) == 0.0
    assert perplexity(logits, targets, mask=none) == 1.0
    np.testing.assert_array_equal(sequence_log_probability(logits, targets, mask=none), np.zeros(2))


def test_an_impossible_token_is_minus_infinity():
    logits = np.array([[[0.0, -np.inf, 0.0]]])
    assert token_log_probability(logits, np.array([[1]]))[0, 0] == -np.inf
    assert abs(float(cross_entropy(logits, np.array([[0]]))) - math.log(2)) <= ROUNDING("float64", 3)
    assert cross_entropy(logits, np.array([[0]]), smoothing=0.1) == np.inf


def test_large_logits_do_not_overflow():
    logits = np.array([[[1e300, 0.0], [-1e300, 1e300]]])
    assert cross_entropy(logits, np.array([[0, 1]])) == 0.0


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_half_precision_is_summed_in_single(dtype):
    logits, targets, _ = drawn(0)
    low = logits.astype(dtype)
    assert cross_entropy(low, targets).dtype == np.float32
    want = cross_entropy(low.astype("float64"), targets)
    assert abs(float(cross_entropy(low, targets)) - want) <= want * ROUNDING("float32", logits.size)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_gradients_are_those_of_differences(smoothing):
    logits, targets, mask = drawn(0)
    check_gradients(lambda x, y, m: cross_entropy(x, y, mask=m, smoothing=smoothing), logits, targets, mask)
    check_gradients(lambda x, y, m: sequence_log_probability(x, y, mask=m), logits, targets, mask)


def test_it_can_be_counted():
    counts = fa.counting()
    cross_entropy(counts.empty((2, 3, 5)), counts.empty((2, 3), dtype=counts.int64), smoothing=0.1)
    assert counts.tally.flops >= 2 * 2 * 3 * 5


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"targets": np.zeros((2, 3))}, TypeError, "targets must have an integer dtype, got float64"),
        ({"targets": np.zeros((2, 2), int)}, ValueError, r"targets must have shape \(2, 3\), got \(2, 2\)"),
        ({"targets": np.full((2, 3), 4)}, ValueError, "targets must be from 0 to 3, got 4"),
        ({"targets": np.full((2, 3), -1)}, ValueError, "targets must be from 0 to 3, got -1"),
        ({"mask": np.ones((2, 3))}, TypeError, "mask must have a boolean dtype, True at tokens, got float64"),
        ({"mask": np.ones((2, 1), bool)}, ValueError, r"mask must have the shape of targets, \(2, 3\), got \(2, 1\)"),
        ({"smoothing": 1.5}, ValueError, r"smoothing must be from 0 to 1, got 1\.5"),
        ({"smoothing": -0.1}, ValueError, r"smoothing must be from 0 to 1, got -0\.1"),
    ],
)
def test_bad_input_is_named(change, error, message):
    logits, targets, _ = drawn(0)
    with pytest.raises(error, match=message):
        cross_entropy(logits, **{"targets": targets} | change)


@pytest.mark.peers
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_torch_gives_the_same(smoothing):
    torch = pytest.importorskip("torch", reason="extra: peers")
    logits, targets, mask = drawn(3)
    padded = torch.from_numpy(np.where(mask, targets, -100)).reshape(-1)  # torch leaves -100 out
    flat = torch.from_numpy(logits).reshape(-1, 4)
    want = torch.nn.functional.cross_entropy(flat, padded, label_smoothing=smoothing).item()
    got = cross_entropy(logits, targets, mask=mask, smoothing=smoothing)
    assert abs(got - want) <= want * ROUNDING("float64", logits.size)
    log_p = torch.log_softmax(torch.from_numpy(logits), -1).numpy()
    agree(log_probabilities(logits), log_p, 4)


def test_one_token_without_a_sequence_cannot_be_shifted():
    with pytest.raises(ValueError, match=r"targets must have shape \(\.\.\., n\), got \(\)"):
        shift(np.asarray(3), 0)
