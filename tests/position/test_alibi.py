"""Facts about ALiBi."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, position, sizes

from factorattn import softmax_attention
from factorattn.position import alibi, alibi_slopes
from factorattn.testing import ROUNDING

like = np.empty(0)
rules = st.sampled_from(["powers", "geometric"])


@settings(deadline=None)
@given(
    h=st.integers(1, 20), n=sizes, m=sizes, rule=rules, symmetric=st.booleans(),
    offset=st.none() | st.integers(-9, 9),
)  # fmt: skip
def test_alibi_is_the_paper(h, n, m, rule, symmetric, offset):
    got = alibi(h, n, m, like=like, rule=rule, symmetric=symmetric, offset=offset)
    agree(got, position.alibi(h, n, m, rule=rule, symmetric=symmetric, offset=offset), 1)


def test_slopes_of_eight_heads_by_hand():
    halves = [1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32, 1 / 64, 1 / 128, 1 / 256]
    for rule in ("powers", "geometric"):
        np.testing.assert_array_equal(alibi_slopes(8, like=like, rule=rule), halves)


def test_slopes_of_twelve_heads_by_hand():
    # Those of 8, then the first, third, fifth and seventh of 16: 2^-0.5, 2^-1.5, 2^-2.5, 2^-3.5.
    exponents = [-1, -2, -3, -4, -5, -6, -7, -8, -0.5, -1.5, -2.5, -3.5]
    eps = ROUNDING(np.float64, 1)
    np.testing.assert_allclose(np.log2(alibi_slopes(12, like=like)), exponents, rtol=eps)
    plain = [-2 / 3 * i for i in range(1, 13)]
    np.testing.assert_allclose(np.log2(alibi_slopes(12, like=like, rule="geometric")), plain, rtol=eps)


@given(power=st.integers(0, 6))
def test_the_rules_agree_for_powers_of_two(power):
    both = [alibi_slopes(2**power, like=like, rule=rule) for rule in ("powers", "geometric")]
    np.testing.assert_array_equal(*both)


@given(h=st.integers(0, 70), rule=rules)
def test_every_head_has_a_slope_of_its_own(h, rule):
    slopes = alibi_slopes(h, like=like, rule=rule)
    assert len(set(slopes.tolist())) == len(slopes) == h
    assert np.all((slopes > 0) & (slopes < 1))


def test_the_bias_by_hand():
    want = [[[-1, 0, 1], [-2, -1, 0]]]  # one head; two queries, the last two of three positions
    np.testing.assert_array_equal(alibi(1, 2, 3, like=like) * 256, want)
    np.testing.assert_array_equal(alibi(1, 2, 3, like=like, symmetric=True) * 256, -np.abs(want))
    np.testing.assert_array_equal(alibi(1, 2, 3, like=like, offset=0) * 256, [[[0, 1, 2], [-1, 0, 1]]])


def test_a_step_of_a_decoder_sees_the_last_row(rng):
    q, k, v = rng.standard_normal((3, 4, 10, 6))
    whole = softmax_attention(q, k, v, bias=alibi(4, 10, 10, like=q), causal=True)
    step = softmax_attention(q[:, -1:], k, v, bias=alibi(4, 1, 10, like=q), causal=True)
    assert np.max(np.abs(step - whole[:, -1:])) <= np.max(np.abs(whole)) * ROUNDING(np.float64, 10)


def test_distance_and_key_position_are_one_bias_to_a_softmax(rng):
    q, k, v = rng.standard_normal((3, 4, 10, 6))
    position_of_key = alibi_slopes(4, like=q)[:, None, None] * np.arange(10.0)
    got = [softmax_attention(q, k, v, bias=b, causal=True) for b in (alibi(4, 10, 10, like=q), position_of_key)]
    assert np.max(np.abs(got[0] - got[1])) <= np.max(np.abs(got[0])) * ROUNDING(np.float64, 10)


def test_nonsense_is_refused_by_name():
    with pytest.raises(ValueError, match="rule must be 'powers' or 'geometric', got 'code'"):
        alibi(2, 2, 2, like=like, rule="code")
    with pytest.raises(ValueError, match="h must be at least 0"):
        alibi_slopes(-1, like=like)
    with pytest.raises(TypeError, match="symmetric must be True or False"):
        alibi(2, 2, 2, like=like, symmetric=1)
