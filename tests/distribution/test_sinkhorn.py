"""Facts about the distribution `sinkhorn`."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, distribution, draw, lists, seeds, sizes

from factorattn.distribution import sinkhorn, softmax
from factorattn.testing import ROUNDING


@settings(deadline=None)
@given(n=sizes, m=sizes, rounds=st.integers(1, 6), size=st.floats(0.1, 5), seed=seeds)
def test_sinkhorn_is_the_paper(n, m, rounds, size, seed):
    (a,) = draw(seed, (n, m))
    agree(sinkhorn(size * a, rounds=rounds), distribution.sinkhorn(*lists(size * a), rounds), (n + m) * rounds)


def test_one_round_is_softmax(rng):
    a = rng.standard_normal((3, 5, 7))
    agree(sinkhorn(a, rounds=1), softmax(a), 7)


def test_rows_and_columns_in_turn(rng):
    a = rng.standard_normal((5, 7))
    assert np.max(np.abs(np.sum(sinkhorn(a, rounds=5), axis=-1) - 1)) <= ROUNDING(np.float64, 7)
    assert np.max(np.abs(np.sum(sinkhorn(a, rounds=6), axis=-2) - 1)) <= ROUNDING(np.float64, 5)


def test_many_rounds_are_doubly_stochastic(rng):
    square, wide = sinkhorn(rng.standard_normal((6, 6)), rounds=999), sinkhorn(rng.standard_normal((4, 8)), rounds=999)
    for p, column in ((square, 1.0), (wide, 0.5)):
        assert np.max(np.abs(np.sum(p, axis=-1) - 1)) <= ROUNDING(np.float64, 8)
        assert np.max(np.abs(np.sum(p, axis=-2) - column)) <= ROUNDING(np.float64, 8)


def test_potentials_do_not_change_the_limit(rng):
    a, u, v = rng.standard_normal((6, 6)), rng.standard_normal((6, 1)), rng.standard_normal((1, 6))
    agree(sinkhorn(a + u + v, rounds=999), sinkhorn(a, rounds=999), 12)


def test_scores_of_thousands_do_not_overflow(rng):
    p = sinkhorn(1e4 * rng.standard_normal((6, 6)), rounds=7)
    assert np.max(np.abs(np.sum(p, axis=-1) - 1)) <= ROUNDING(np.float64, 6)


def test_rows_and_columns_that_are_not_seen_give_zeros_and_change_nothing(rng):
    a = rng.standard_normal((5, 6))
    holed = np.insert(np.insert(a, 2, -np.inf, axis=0), 4, -np.inf, axis=1)
    p = sinkhorn(holed, rounds=5)
    np.testing.assert_array_equal(p[2], 0.0)
    np.testing.assert_array_equal(p[:, 4], 0.0)
    agree(np.delete(np.delete(p, 2, axis=0), 4, axis=1), sinkhorn(a, rounds=5), 6)


def test_infinity_takes_its_row():
    p = sinkhorn(np.array([[0.0, np.inf], [1.0, 2.0]]), rounds=1)
    agree(p, [[0.0, 1.0], [1 / (1 + np.e), np.e / (1 + np.e)]], 2)


@pytest.mark.parametrize(("rounds", "error"), [(0, ValueError), (-2, ValueError), (1.5, TypeError), (True, TypeError)])
def test_a_number_of_rounds_that_is_none_is_refused(rounds, error):
    with pytest.raises(error, match="rounds must be"):
        sinkhorn(np.zeros((2, 2)), rounds=rounds)
