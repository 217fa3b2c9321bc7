"""Facts about the positions of a convolutional encoder."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, draw, lists, position, seeds, sizes

from factorattn.position import convolutional, learned
from factorattn.testing import ROUNDING


@settings(deadline=None)
@given(n=sizes, c=st.integers(1, 4), w=st.integers(1, 6), seed=seeds, causal=st.booleans(), bias=st.booleans())
def test_convolutional_is_the_paper(n, c, w, seed, causal, bias):
    w += (w % 2 == 0) and not causal
    x, e, w_a, w_b, *more = draw(seed, (n, c), (n, c), (w, c, c), (w, c, c), (c,), (c,))
    b_a, b_b = more if bias else (None, None)
    got = convolutional(x, e, w_a, w_b, b_a, b_b, causal=causal)
    want = position.convolutional(*lists(x, e, w_a, w_b, b_a, b_b), causal=causal)
    agree(got, want, w * c)


@pytest.mark.parametrize("one", ["b_a", "b_b"])
def test_one_bias_without_the_other(one):
    x, e, w_a, w_b, b = draw(0, (5, 2), (5, 2), (3, 2, 2), (3, 2, 2), (2,))
    got = convolutional(x, e, w_a, w_b, **{one: b})
    agree(got, position.convolutional(*lists(x, e, w_a, w_b), **{one: b.tolist()}), 6)


def test_shut_gates_leave_tokens_and_positions():
    x, table, w = draw(0, (4, 3), (10, 3), (3, 3, 3))
    shut = np.full(3, -1e4)  # far below where an exponential overflows
    e = learned(table, 4, offset=2)
    np.testing.assert_array_equal(convolutional(x, e, w, 0 * w, None, shut), x + e)


def test_open_gates_leave_the_convolution():
    x, w = draw(0, (6, 2), (3, 2, 2))
    got = convolutional(x, 0 * x, w, 0 * w, None, np.full(2, 1e4)) - x
    padded = np.pad(x, ((1, 1), (0, 0)))
    want = sum(padded[t : t + 6] @ w[t] for t in range(3))
    assert np.max(np.abs(got - want)) <= np.max(np.abs(want)) * ROUNDING(np.float64, 6)


def test_without_positions_only_the_ends_know_where_they_are():
    # Equal tokens: rows more than a reach from both ends are equal, those nearer are not.
    x, (w_a, w_b) = np.ones((9, 2)), draw(0, (5, 2, 2), (5, 2, 2))
    same = convolutional(x, 0 * x, w_a, w_b)
    inner = same[2:-2]
    np.testing.assert_allclose(inner, np.broadcast_to(inner[0], inner.shape), rtol=ROUNDING(np.float64, 10))
    assert len(np.unique(np.round(same, 6), axis=0)) == 5
    told = convolutional(x, draw(1, (9, 2))[0], w_a, w_b)
    assert len(np.unique(np.round(told, 6), axis=0)) == 9


def test_the_decoder_does_not_see_ahead():
    x, w_a, w_b = draw(0, (8, 2), (4, 2, 2), (4, 2, 2))
    before = convolutional(x, 0 * x, w_a, w_b, causal=True)
    x[5:] = np.nan
    np.testing.assert_array_equal(convolutional(x, 0 * x, w_a, w_b, causal=True)[:5], before[:5])


def test_nonsense_is_refused_by_name():
    x = np.ones((5, 2))
    with pytest.raises(ValueError, match="an odd number of taps to be centred, got 2"):
        convolutional(x, x, np.ones((2, 2, 2)), np.ones((2, 2, 2)))
    with pytest.raises(ValueError, match="an odd number of taps"):
        convolutional(x, x, np.ones((0, 2, 2)), np.ones((0, 2, 2)), causal=True)
    with pytest.raises(ValueError, match="axis 'w' is 3"):
        convolutional(x, x, np.ones((3, 2, 2)), np.ones((5, 2, 2)))
    with pytest.raises(TypeError, match="causal must be True or False"):
        convolutional(x, x, np.ones((3, 2, 2)), np.ones((3, 2, 2)), causal=1)
